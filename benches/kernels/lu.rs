//! LU of one node with every kernel row, on one core and on all; and faer's own as a peer, in place as well.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::{factor_flops, netlib_matrix, timed};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::{Mat, Par};
use hpl_core::gemm::kernel;
use hpl_core::lu::factor;
use hpl_core::matrix::Matrix;

/// Orders of the matrix.
const ORDERS: [usize; 3] = [500, 1000, 2000];
/// Columns of a panel.
const NB: usize = 128;

fn ours(c: &mut Criterion, machine: &Machine) {
    for kernel in kernel::available() {
        let name = format!("lu/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        group.sampling_mode(SamplingMode::Flat);
        for threads in machine.team_sizes() {
            let cx = machine.context(kernel, threads);
            for n in ORDERS {
                let a = netlib_matrix(n, n);
                let mut lu = Matrix::zeros(n, n).expect("memory for L and U");
                group.throughput(Throughput::Elements(factor_flops(n, n)));
                group.bench_function(BenchmarkId::new(format!("{threads}t"), format!("n{n}nb{NB}")), |bench| {
                    let fresh = |lu: &mut Matrix| lu.as_mut().copy_from(a.as_ref());
                    let factor = |lu: &mut Matrix| {
                        let factored = factor(&cx, NB, lu.as_mut());
                        assert_eq!(factored.zero_pivot, None, "netlib's matrix is regular");
                    };
                    bench.iter_custom(|times| timed(times, &mut lu, fresh, factor));
                });
            }
        }
        group.finish();
    }
}

/// What faer's LU works on.
struct Peer {
    lu: Mat<f64>,
    rows: Vec<usize>,
    places: Vec<usize>,
    scratch: MemBuffer,
}

fn peer(c: &mut Criterion, machine: &Machine) {
    let name = "lu/peer-faer";
    machine.print_peak(name);
    let mut group = c.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    for threads in machine.team_sizes() {
        let (pool, par) = (machine.pool(threads), if threads == 1 { Par::Seq } else { Par::rayon(threads) });
        for n in ORDERS {
            let a = netlib_matrix(n, n);
            let a = Mat::from_fn(n, n, |i, j| a.as_ref().at(i, j));
            let scratch = MemBuffer::new(lu_in_place_scratch::<usize, f64>(n, n, par, Default::default()));
            let mut work = Peer { lu: a.clone(), rows: vec![0; n], places: vec![0; n], scratch };
            group.throughput(Throughput::Elements(factor_flops(n, n)));
            group.bench_function(BenchmarkId::new(format!("{threads}t"), format!("n{n}")), |bench| {
                let fresh = |work: &mut Peer| work.lu.copy_from(&a);
                let factor = |work: &mut Peer| {
                    let Peer { lu, rows, places, scratch } = work;
                    pool.install(|| {
                        lu_in_place(lu.as_mut(), rows, places, par, MemStack::new(scratch), Default::default());
                    });
                };
                bench.iter_custom(|times| timed(times, &mut work, fresh, factor));
            });
        }
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    let machine = Machine::discover();
    ours(c, &machine);
    peer(c, &machine);
}

criterion_group! { name = benches; config = benches::criterion(); targets = all }
criterion_main!(benches);

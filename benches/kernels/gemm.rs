//! C -= A·B with every kernel row, on one core and on all, packing included; and faer's own as a peer.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::{netlib_matrix, product_flops};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use faer::{Accum, Mat, Par};
use hpl_core::gemm::{gemm, kernel};

/// Order of C.
const N: usize = 2000;
/// Depths of the product: NB in HPL.
const DEPTHS: [usize; 3] = [128, 256, 384];

fn id(threads: usize, k: usize) -> BenchmarkId {
    BenchmarkId::new(format!("{threads}t"), format!("m{N}n{N}k{k}"))
}

fn ours(c: &mut Criterion, machine: &Machine) {
    let (a, b, mut out) = (netlib_matrix(N, 384), netlib_matrix(384, N), netlib_matrix(N, N));
    for kernel in kernel::available() {
        let name = format!("gemm/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        group.sampling_mode(SamplingMode::Flat);
        for threads in machine.team_sizes() {
            let cx = machine.context(kernel, threads);
            for k in DEPTHS {
                let (a, b) = (a.as_ref().sub(0, 0, N, k), b.as_ref().sub(0, 0, k, N));
                group.throughput(Throughput::Elements(product_flops(N, N, k)));
                group.bench_function(id(threads, k), |bench| bench.iter(|| gemm(&cx, -1.0, a, b, out.as_mut())));
            }
        }
        group.finish();
    }
}

fn peer(c: &mut Criterion, machine: &Machine) {
    let (a, b, out) = (netlib_matrix(N, 384), netlib_matrix(384, N), netlib_matrix(N, N));
    let copy = |m: &hpl_core::matrix::Matrix| Mat::from_fn(m.rows(), m.cols(), |i, j| m.as_ref().at(i, j));
    let (a, b, mut out) = (copy(&a), copy(&b), copy(&out));
    let name = "gemm/peer-faer";
    machine.print_peak(name);
    let mut group = c.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    for threads in machine.team_sizes() {
        let (pool, par) = (machine.pool(threads), if threads == 1 { Par::Seq } else { Par::rayon(threads) });
        for k in DEPTHS {
            let (a, b) = (a.as_ref().subcols(0, k), b.as_ref().subrows(0, k));
            group.throughput(Throughput::Elements(product_flops(N, N, k)));
            group.bench_function(id(threads, k), |bench| {
                let mut multiply = || faer::linalg::matmul::matmul(out.as_mut(), Accum::Add, a, b, -1.0, par);
                bench.iter(|| pool.install(&mut multiply));
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

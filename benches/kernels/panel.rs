//! The recursive panel with every kernel row, on one core and on all, tall and short, NB 64 to 256.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::{factor_flops, netlib_matrix, timed};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use hpl_core::gemm::kernel;
use hpl_core::lu::panel;
use hpl_core::matrix::Matrix;

/// Columns at which the recursion ends: NBMIN in HPL.
const NBMIN: usize = 8;

fn factor(c: &mut Criterion) {
    let machine = Machine::discover();
    for kernel in kernel::available() {
        let name = format!("panel/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        group.sampling_mode(SamplingMode::Flat);
        for threads in machine.team_sizes() {
            let cx = machine.context(kernel, threads);
            for m in [512, 2000, 8000] {
                for n in [64, 128, 256] {
                    let a = netlib_matrix(m, n);
                    let mut work = (Matrix::zeros(m, n).expect("memory for a panel"), vec![0; n]);
                    group.throughput(Throughput::Elements(factor_flops(m, n)));
                    group.bench_function(BenchmarkId::new(format!("{threads}t"), format!("m{m}n{n}")), |bench| {
                        let fresh = |work: &mut (Matrix, Vec<usize>)| work.0.as_mut().copy_from(a.as_ref());
                        let factor = |work: &mut (Matrix, Vec<usize>)| {
                            let zero = panel(&cx, NBMIN, work.0.as_mut(), &mut work.1);
                            assert_eq!(zero, None, "netlib's matrix is regular");
                        };
                        bench.iter_custom(|times| timed(times, &mut work, fresh, factor));
                    });
                }
            }
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = factor }
criterion_main!(benches);

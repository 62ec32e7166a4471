//! L⁻¹·B with every kernel row on one core: the triangle is that of a panel, B a strip of its update.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::{netlib_matrix, solve_flops, timed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hpl_core::gemm::kernel;
use hpl_core::matrix::Matrix;
use hpl_core::trsm;

fn solve(c: &mut Criterion) {
    let machine = Machine::discover();
    for kernel in kernel::available() {
        let name = format!("trsm/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        let cx = machine.context(kernel, 1);
        for k in [128, 256] {
            let l = netlib_matrix(k, k);
            for n in [96, 144, 192] {
                let b = netlib_matrix(k, n);
                let mut x = Matrix::zeros(k, n).expect("memory for X");
                group.throughput(Throughput::Elements(solve_flops(k, n)));
                group.bench_function(BenchmarkId::new("1t", format!("k{k}n{n}")), |bench| {
                    let fresh = |x: &mut Matrix| x.as_mut().copy_from(b.as_ref());
                    let solve = |x: &mut Matrix| trsm::trsm(&cx, &mut cx.main_scratch(), l.as_ref(), x.as_mut());
                    bench.iter_custom(|times| timed(times, &mut x, fresh, solve));
                });
            }
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = solve }
criterion_main!(benches);

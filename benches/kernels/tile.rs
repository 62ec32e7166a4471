//! The tile of every kernel row: its operands in the second level cache, on one core.
//!
//! The tile itself may be called by the loops of gemm only. So this takes LOOP 2 and LOOP 1 around it as well,
//! over a block of packed A that fills half of the second level cache, and the packing of a few micro-panels of
//! B, a fiftieth of the time. The row `faer` has no tile; it multiplies blocks of the same size.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::{netlib_matrix, product_flops};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hpl_core::buffer::Buffer;
use hpl_core::gemm::Left;
use hpl_core::gemm::kernel;

/// Columns of the strip of B: micro-panels of every kernel.
const COLUMNS: usize = 48;

fn tile(c: &mut Criterion) {
    let machine = Machine::discover();
    for kernel in kernel::available() {
        let name = format!("tile/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        let cx = machine.context(kernel, 1);
        let mr = kernel.tile_shape().map_or(8, |(mr, _)| mr);
        for k in [128, 256, 384] {
            let rows = (machine.cache_sizes().l2.max(256 << 10) / 2 / (8 * k) / mr * mr).max(mr);
            let (a, b) = (netlib_matrix(rows, k), netlib_matrix(k, COLUMNS));
            let mut out = netlib_matrix(rows, COLUMNS);
            let mut storage = Buffer::zeroed(Left::storage(&cx, rows, k)).expect("memory for packed A");
            let left = Left::pack(&cx, &mut storage, a.as_ref());
            let mut scratch = cx.main_scratch();
            group.throughput(Throughput::Elements(product_flops(rows, COLUMNS, k)));
            group.bench_function(BenchmarkId::new("1t", format!("m{rows}n{COLUMNS}k{k}")), |bench| {
                bench.iter(|| left.multiply(&mut scratch, -1.0, b.as_ref(), out.as_mut()));
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = tile }
criterion_main!(benches);

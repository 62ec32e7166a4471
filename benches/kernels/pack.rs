//! Packing of A and of B for the shape of every tile, on one core: bytes read a second.
//!
//! The operands are blocks of a matrix of 8000 rows, as in HPL. The row `faer` packs inside its own product.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::netlib_matrix;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hpl_core::buffer::Buffer;
use hpl_core::gemm::kernel;
use hpl_core::gemm::pack::{pack_a, pack_b};

const ROWS: usize = 8000;

fn pack(c: &mut Criterion) {
    let machine = Machine::discover();
    let matrix = netlib_matrix(ROWS, 256);
    for kernel in kernel::available() {
        let Some((mr, nr)) = kernel.tile_shape() else { continue };
        let name = format!("pack/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        let _pinned = machine.context(kernel, 1);
        for (m, k) in [(2000, 128), (2000, 256), (ROWS, 256)] {
            let a = matrix.as_ref().sub(0, 0, m, k);
            let mut out = Buffer::zeroed(m.next_multiple_of(mr) * k).expect("memory for packed A");
            group.throughput(Throughput::BytesDecimal(8 * (m * k) as u64));
            group.bench_function(BenchmarkId::new("1t", format!("a/m{m}k{k}")), |bench| {
                bench.iter(|| pack_a(a, mr, &mut out));
            });
        }
        for (k, n) in [(128, 192), (256, 96), (256, 192)] {
            let b = matrix.as_ref().sub(0, 0, k, n);
            let mut out = Buffer::zeroed(k * n.next_multiple_of(nr)).expect("memory for packed B");
            group.throughput(Throughput::BytesDecimal(8 * (k * n) as u64));
            group.bench_function(BenchmarkId::new("1t", format!("b/k{k}n{n}")), |bench| {
                bench.iter(|| pack_b(-1.0, b, nr, &mut out));
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = pack }
criterion_main!(benches);

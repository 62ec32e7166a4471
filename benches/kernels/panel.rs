//! The panel as a run factors it, with every kernel row, by one thread and by all: tall and short, NB 64 to 256.
#![forbid(unsafe_code)]

use benches::machine::Machine;
use benches::work::{factor_flops, netlib_matrix, timed};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use hpl_core::context::Context;
use hpl_core::gemm::kernel;
use hpl_core::matrix::Matrix;
use hpl_mpi::axis::Axis;
use hpl_mpi::comm::Buf;
use hpl_mpi::comm::thread::ThreadComm;
use hpl_mpi::grid::Grid;
use hpl_mpi::panel::{Desk, PanelShape, Recursion, prepare};
use hpl_spec::params::{Order, RunParams};

/// A panel of `width` columns and `rows` rows on a grid of one.
fn shape(rows: usize, width: usize) -> PanelShape {
    PanelShape {
        index: 0,
        first: 0,
        width,
        process_row: 0,
        process_col: 0,
        top: 0,
        below: width,
        height: rows - width,
        left: 0,
        right: width,
    }
}

/// Everything that one factorization works on.
struct Work {
    panel: Matrix,
    desk: Desk,
    message: Option<Buf>,
}

impl Work {
    fn factor(&mut self, cx: &Context, grid: &Grid<ThreadComm>, recursion: Recursion) {
        let (rows, width) = (self.panel.rows(), self.panel.cols());
        let (squad, message) = (cx.team().squad(cx.team().size()), self.message.take().expect("it was handed back"));
        let (axis, shape, columns) = (Axis::new(rows, width, 1, 0), shape(rows, width), self.panel.as_mut());
        let (task, leader) = prepare(cx, grid, &squad, axis, columns, shape, recursion, &mut self.desk, message);
        let led = cx.team().phase_with(|member| task.lead(member, leader), |member| task.help::<ThreadComm>(member));
        self.message = Some(led.message);
    }
}

fn factor(c: &mut Criterion) {
    let machine = Machine::discover();
    let grid = Grid::new(&ThreadComm::solo(), 1, 1, Order::RowMajor).expect("one rank is a grid");
    let usual = RunParams::new(1000, 64, 1, 1);
    let recursion = Recursion::of(&usual);
    for kernel in kernel::available() {
        let name = format!("panel/{}", kernel.name);
        machine.print_peak(&name);
        let mut group = c.benchmark_group(&name);
        group.sampling_mode(SamplingMode::Flat);
        for threads in machine.team_sizes() {
            let cx = machine.context(kernel, threads);
            for m in [512, 2000, 8000, 20_000] {
                for n in [64, 128, 256] {
                    let a = netlib_matrix(m, n);
                    let message = Buf::zeroed(shape(m, n).message_len()).expect("memory for a message");
                    let panel = Matrix::zeros(m, n).expect("memory for a panel");
                    let mut work = Work { panel, desk: Desk::new(n, threads), message: Some(message) };
                    group.throughput(Throughput::Elements(factor_flops(m, n)));
                    group.bench_function(BenchmarkId::new(format!("{threads}t"), format!("m{m}n{n}")), |bench| {
                        let fresh = |work: &mut Work| work.panel.as_mut().copy_from(a.as_ref());
                        let factor = |work: &mut Work| work.factor(&cx, &grid, recursion);
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

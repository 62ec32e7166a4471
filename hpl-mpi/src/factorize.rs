//! The main loop.

use std::time::Instant;

use hpl_core::context::Context;
use hpl_spec::report::Phases;

use crate::bcast::Broadcast;
use crate::comm::Comm;
use crate::grid::Grid;
use crate::matrix::DistMatrix;
use crate::panel::{Panel, PanelShape, Recursion, factor};
use crate::update::update;
use crate::workspace::Workspace;

/// What a factorization leaves besides U and L⁻¹·b.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Factored {
    /// For each global row, the row it was exchanged with.
    pub pivots: Vec<usize>,
    /// The first global column whose pivot was zero.
    pub zero_pivot: Option<usize>,
}

/// One factorization under way on this process.
struct Factorization<'a, C: Comm> {
    cx: &'a Context,
    grid: &'a Grid<C>,
    recursion: Recursion,
    work: Workspace,
}

/// Factors [A|b] in place: U on and above the diagonal, L⁻¹·P·b in column N. Collective over the grid.
///
/// With `look_ahead`, the next panel is factored and sent off before the rest of the matrix is updated
/// by the present one. `step(k)` is called when panel k has been applied.
pub fn factorize<C: Comm>(
    cx: &Context,
    grid: &Grid<C>,
    a: &mut DistMatrix,
    recursion: Recursion,
    look_ahead: bool,
    phases: &mut Phases,
    step: &mut dyn FnMut(usize, &Phases),
) -> Factored {
    let work = Workspace::new(cx, grid, a);
    let mut run = Factorization { cx, grid, recursion, work };
    let mut factored = Factored::default();
    let end = a.cols.local_len();

    let Some(first) = PanelShape::of(grid, a, 0) else { return factored };
    let panel = run.factor(a, first, phases);
    let mut sent = run.broadcast(panel);
    loop {
        let panel = run.receive(&mut sent, phases);
        let shape = panel.shape;
        factored.pivots.extend(panel.pivots());
        factored.zero_pivot = factored.zero_pivot.or(panel.zero_pivot());
        let next = PanelShape::of(grid, a, shape.index + 1);
        let next_sent = match next {
            // Look ahead: the columns of panel k+1 alone, factor it, start its broadcast; then the rest,
            // A22 −= L2·U, while it travels.
            Some(next) if look_ahead && grid.q > 1 => {
                let mine = if next.process_col == grid.col { next.width } else { 0 };
                let mut progress = || sent.1.poll(&grid.along_row);
                update(cx, grid, a, &panel, shape.right..shape.right + mine, &mut run.work, phases, &mut progress);
                let next = run.factor(a, next, phases);
                let mut next = run.broadcast(next);
                let mut progress = || {
                    sent.1.poll(&grid.along_row);
                    next.1.poll(&grid.along_row);
                };
                update(cx, grid, a, &panel, shape.right + mine..end, &mut run.work, phases, &mut progress);
                Some(next)
            }
            // Plain: everything right of panel k, then panel k+1.
            next => {
                let mut progress = || sent.1.poll(&grid.along_row);
                update(cx, grid, a, &panel, shape.right..end, &mut run.work, phases, &mut progress);
                next.map(|next| {
                    let next = run.factor(a, next, phases);
                    run.broadcast(next)
                })
            }
        };
        run.reclaim(sent, panel);
        step(shape.index, phases);
        match next_sent {
            Some(next) => sent = next,
            None => return factored,
        }
    }
}

impl<C: Comm> Factorization<'_, C> {
    /// The panel, factored where this process column owns it, and an empty message elsewhere.
    fn factor(&mut self, a: &mut DistMatrix, shape: PanelShape, phases: &mut Phases) -> Panel {
        let message = self.work.panels.take(shape.message_len());
        if shape.process_col != self.grid.col {
            return Panel { shape, message };
        }
        factor(self.cx, self.grid, a, shape, self.recursion, &mut self.work.exchange, message, phases)
    }

    /// Sends the panel on its way along the process row.
    fn broadcast(&mut self, panel: Panel) -> (PanelShape, Broadcast<C>) {
        let Panel { shape, message } = panel;
        (shape, Broadcast::start(&self.grid.along_row, shape.process_col, shape.index, message))
    }

    /// Waits until the panel is here.
    fn receive(&mut self, sent: &mut (PanelShape, Broadcast<C>), phases: &mut Phases) -> Panel {
        let start = Instant::now();
        let message = sent.1.finish(&self.grid.along_row);
        phases.bcast += start.elapsed().as_secs_f64();
        Panel { shape: sent.0, message }
    }

    /// Takes the panel's memory back once its forwards are done.
    fn reclaim(&mut self, sent: (PanelShape, Broadcast<C>), panel: Panel) {
        sent.1.reclaim(&self.grid.along_row);
        self.work.panels.give(panel.message);
    }
}

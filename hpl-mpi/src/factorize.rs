//! The main loop.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::gemm::triangle::PackedPanel;
use hpl_core::matrix::MatMut;
use hpl_core::team::Member;
use hpl_core::timeline::Work;
use hpl_spec::params::Bcast;
use hpl_spec::report::Phases;

use crate::axis::Axis;
use crate::bcast::Broadcast;
use crate::comm::{Buf, Comm};
use crate::grid::Grid;
use crate::matrix::DistMatrix;
use crate::panel::{self, Desk, Leader, Panel, PanelShape, Task};
use crate::update::{Help, Meanwhile, Ready};
use crate::variant::Variant;
use crate::workspace::{Pool, Workspace};

/// What a factorization leaves besides U and L⁻¹·b.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Factored {
    /// For each global row, the row it was exchanged with.
    pub pivots: Vec<usize>,
    /// The first global column whose pivot was zero.
    pub zero_pivot: Option<usize>,
}

/// Factors [A|b] in place: U on and above the diagonal, L⁻¹·P·b in column N. Collective over the grid.
///
/// With a look-ahead of depth d, d panels are ready beside the one that is factored (section 4.1 of the reference): each
/// was applied to the columns of the panels after it, as far as they have been factored, and the oldest is applied to the
/// rest of the matrix while the next panel is factored and sent off. `step(k)` is called when panel k has been applied.
pub fn factorize<C: Comm>(
    cx: &Context,
    grid: &Grid<C>,
    a: &mut DistMatrix,
    variant: Variant,
    phases: &mut Phases,
    step: &mut dyn FnMut(usize, &Phases),
) -> Factored {
    let depth = match (grid.q, cx.team().size()) {
        // Alone in its process row and without helpers, a rank can do nothing beside a panel.
        (1, 1) => 0,
        // Nothing travels along the process row: more than one panel would wait for nothing.
        (1, _) => variant.depth.min(1),
        _ => variant.depth.min(a.n().div_ceil(a.rows.block)),
    };
    let Workspace { packed, pool, panels, desk } = &mut Workspace::new(cx, a, depth.max(1));
    let (n, rows, mut factored) = (a.n(), a.rows, Factored::default());
    let mut run = Run { cx, grid, rows, variant, panels, desk, pace: Pace::default() };
    // Panels that are here, oldest first: their broadcasts, whose forwards may be under way, and they themselves.
    let (mut sent, mut ready) = (VecDeque::new(), VecDeque::<Ready>::new());
    let shapes: Vec<_> = (0..).map_while(|index| PanelShape::of(grid, a, index)).collect();
    for shape in shapes {
        let (left, right) = a.local_mut().split_at_col(shape.left);
        let own = if shape.process_col == grid.col { shape.width } else { 0 };
        let (mut own, later) = right.split_at_col(own);
        // A22 −= L2·U, the panel's own columns, by all panels before it.
        for before in &ready {
            if own.cols() > 0 {
                let update = before.update(cx, grid, rows, left.as_ref());
                update.apply(own.as_mut(), pool, phases, &mut Forwards(&mut sent), &|_| ());
            }
        }
        // The panel and its broadcast, and beside it A22 −= L2·U, the rest, by the oldest.
        let oldest = (depth > 0 && ready.len() == depth).then(|| &ready[0]);
        let columns = if oldest.is_some() { later.cols() } else { 0 };
        let mut this = run.panel(shape, own, &mut sent, phases, columns, |meanwhile, help, phases| match oldest {
            Some(oldest) => oldest.update(cx, grid, rows, left.as_ref()).apply(later, pool, phases, meanwhile, help),
            None => drop(cx.team().phase_with(|member| meanwhile.lead(member), help)),
        });
        if oldest.is_some() {
            let done = run.retire(&mut sent, &mut ready, packed);
            step(done, phases);
        }
        let panel = run.receive(&mut this, phases);
        factored.pivots.extend(panel.pivots());
        factored.zero_pivot = factored.zero_pivot.or(panel.zero_pivot());
        sent.push_back(this);
        let memory = packed.pop().expect("one for each panel that is ready");
        let (left, mut right) = a.local_mut().split_at_col(shape.right);
        ready.push_back(Ready::new(cx, grid, rows, panel, left.as_ref(), memory, variant));
        // Without look-ahead, all the rest at once; and behind the last panel, b by all that are ready.
        let last = shape.first + shape.width == n;
        while let Some(oldest) = ready.front().filter(|_| depth == 0 || last) {
            let update = oldest.update(cx, grid, rows, left.as_ref());
            update.apply(right.as_mut(), pool, phases, &mut Forwards(&mut sent), &|_| ());
            let done = run.retire(&mut sent, &mut ready, packed);
            step(done, phases);
        }
    }
    factored
}

/// A panel on its way along the process row.
struct Sent<'g, C: Comm> {
    shape: PanelShape,
    along_row: &'g C,
    broadcast: Broadcast<C>,
}

/// Panels that are here, and may be on their way to others. An update beside which nothing else is done.
struct Forwards<'a, 'g, C: Comm>(&'a mut VecDeque<Sent<'g, C>>);

impl<C: Comm> Meanwhile for Forwards<'_, '_, C> {
    fn lead(&mut self, _: &mut Member) -> Duration {
        Duration::ZERO
    }

    fn progress(&mut self) {
        self.0.iter_mut().for_each(|sent| sent.broadcast.poll(sent.along_row));
    }
}

/// One factorization under way on this process.
struct Run<'g, 'w, C: Comm> {
    cx: &'g Context,
    grid: &'g Grid<C>,
    rows: Axis,
    variant: Variant,
    panels: &'w mut Pool,
    desk: &'w mut Desk,
    pace: Pace,
}

impl<'g, C: Comm> Run<'g, '_, C> {
    /// The panel of that shape: factored in place, where this process column owns it, and sent; else awaited.
    /// `columns` begin with its own, all local rows. `rest` starts the phase in which that is done, and goes on with
    /// the update of `rest_columns`; `before` are the panels before, whose forwards may still be under way.
    fn panel(
        &mut self,
        shape: PanelShape,
        columns: MatMut,
        before: &mut VecDeque<Sent<'g, C>>,
        phases: &mut Phases,
        rest_columns: usize,
        rest: impl FnOnce(&mut dyn Meanwhile, Help, &mut Phases),
    ) -> Sent<'g, C> {
        let Run { cx, grid, rows, variant: Variant { bcast, recursion, .. }, .. } = *self;
        let along_row = &grid.along_row;
        let message = self.panels.take(shape.message_len());
        if shape.process_col != grid.col {
            let (job, pool) = (Some(Job::Await(message)), &mut *self.panels);
            let mut ahead =
                Ahead { shape, along_row, bcast, pool, before: Forwards(before), job, sent: None, took: None };
            rest(&mut ahead, &|_| (), phases);
            return ahead.sent.expect("the phase has begun");
        }
        let squad = cx.team().squad(self.pace.squad(cx.team().size(), &shape, rest_columns));
        let own = columns.sub(0, 0, rows.local_len(), shape.width);
        let (task, leader) = panel::prepare(cx, grid, &squad, rows, own, shape, recursion, self.desk, message);
        let (job, pool) = (Some(Job::Factor(&task, leader)), &mut *self.panels);
        let mut ahead = Ahead { shape, along_row, bcast, pool, before: Forwards(before), job, sent: None, took: None };
        let updating = phases.update;
        rest(&mut ahead, &|member| task.help::<C>(member), phases);
        let Ahead { sent, took, .. } = ahead;
        let (time, exchanging) = took.map_or((0.0, 0.0), |(all, part)| (all.as_secs_f64(), part.as_secs_f64()));
        phases.pfact += time;
        phases.pivot += exchanging;
        let size = squad.size() as f64;
        self.pace.panel = time * size / panel_work(&shape);
        let update = (phases.update - updating) * cx.team().size() as f64 + time * (cx.team().size() as f64 - size);
        if rest_columns > 0 {
            self.pace.update = update / update_work(&shape, rest_columns);
        }
        sent.expect("the phase has begun")
    }

    /// Waits until the panel is here.
    fn receive(&mut self, sent: &mut Sent<C>, phases: &mut Phases) -> Panel {
        let start = Instant::now();
        let message = sent.broadcast.finish(sent.along_row);
        phases.bcast += start.elapsed().as_secs_f64();
        self.cx.main_scratch().lane.note(Work::Broadcast, sent.shape.index, start, Duration::ZERO);
        Panel { shape: sent.shape, message }
    }

    /// The oldest panel was applied to all columns: takes its memory back once its forwards are done. Which it was.
    fn retire(
        &mut self,
        sent: &mut VecDeque<Sent<'g, C>>,
        ready: &mut VecDeque<Ready>,
        packed: &mut Vec<PackedPanel>,
    ) -> usize {
        let (sent, ready) = (sent.pop_front(), ready.pop_front());
        let (sent, ready) = (sent.expect("as many as ready"), ready.expect("it was applied"));
        let sending = sent.broadcast.reclaim(sent.along_row, self.panels);
        self.cx.main_scratch().lane.aside.sending += sending;
        let (panel, memory) = ready.into_parts();
        self.panels.give(panel.message);
        packed.push(memory);
        panel.shape.index
    }
}

/// A panel, beside the update by an older one.
struct Ahead<'a, 'g, C: Comm> {
    shape: PanelShape,
    along_row: &'g C,
    bcast: Bcast,
    /// Lends memory to the broadcast.
    pool: &'a mut Pool,
    /// The panels before.
    before: Forwards<'a, 'g, C>,
    job: Option<Job<'a, C>>,
    sent: Option<Sent<'g, C>>,
    /// How long it took to factor, and how much of that passed in pivot exchanges.
    took: Option<(Duration, Duration)>,
}

/// How a process comes by a panel.
enum Job<'a, C> {
    Factor(&'a Task<'a>, Leader<'a, C>),
    /// The memory it will arrive in.
    Await(Buf),
}

impl<C: Comm> Meanwhile for Ahead<'_, '_, C> {
    fn lead(&mut self, member: &mut Member) -> Duration {
        let start = Instant::now();
        let message = match self.job.take().expect("led once") {
            Job::Await(message) => message,
            Job::Factor(task, leader) => {
                let panel::Led { message, time, exchanging } = task.lead(member, leader);
                self.took = Some((time, exchanging));
                message
            }
        };
        let PanelShape { index, process_col, .. } = self.shape;
        let broadcast = Broadcast::start(self.along_row, self.bcast, process_col, index, message, self.pool);
        self.sent = Some(Sent { shape: self.shape, along_row: self.along_row, broadcast });
        start.elapsed()
    }

    fn progress(&mut self) {
        self.before.progress();
        self.sent.iter_mut().for_each(|sent| sent.broadcast.poll(sent.along_row));
    }
}

/// How fast this process factors panels and updates columns, for the choice of who does which.
#[derive(Debug, Default)]
struct Pace {
    /// Seconds of one member for a row of a panel, by the square of its width.
    panel: f64,
    /// Seconds of one member for an element of C, by the depth of the product.
    update: f64,
}

impl Pace {
    /// How many of `members` factor the panel while the rest of the team updates `columns`: as few as are done with it
    /// when all of it is done. If p and u are the times of the two for one member, all is done after (p + u) / members,
    /// and the panel after p / squad.
    fn squad(&self, members: usize, shape: &PanelShape, columns: usize) -> usize {
        let panel = self.panel * panel_work(shape);
        let update = self.update * update_work(shape, columns);
        let share = panel / (panel + update);
        // Nothing is known before the first panel.
        if share.is_nan() { members } else { ((members as f64 * share).ceil() as usize).clamp(1, members) }
    }
}

fn panel_work(shape: &PanelShape) -> f64 {
    ((shape.height + shape.width) * shape.width * shape.width) as f64
}

fn update_work(shape: &PanelShape, columns: usize) -> f64 {
    ((shape.height + shape.width) * shape.width * columns) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_factor_a_panel_as_are_done_with_it_in_time() {
        let shape = PanelShape {
            index: 1,
            first: 100,
            width: 100,
            process_row: 0,
            process_col: 0,
            top: 100,
            below: 200,
            height: 900,
            left: 100,
            right: 200,
        };
        // Nothing is known: all of them.
        assert_eq!(Pace::default().squad(8, &shape, 5000), 8);
        let pace = Pace { panel: 1e-9, update: 1e-10 };
        // The panel is a thousandth of the work of an update of 1,000,000 columns, and half of it at 1000.
        let squads = [1_000_000, 9000, 1000, 0].map(|columns| pace.squad(8, &shape, columns));
        assert_eq!(squads, [1, 1, 4, 8]);
        assert_eq!(pace.squad(1, &shape, 1000), 1);
    }
}

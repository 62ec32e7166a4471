//! The check: [A|b] is generated anew, and the scaled residual of x computed (netlib HPL 2.3, HPL_pdtest).

use std::sync::Mutex;

use hpl_core::context::Context;
use hpl_core::matrix::MatRef;
use hpl_core::residual::scaled_residual;
use hpl_core::{level1, norm};
use hpl_spec::report::{Check, Norms};

use crate::comm::{Comm, max_all, sum_all};
use crate::grid::Grid;
use crate::matrix::DistMatrix;

/// Columns a member takes at a time.
const STRIP: usize = 64;

/// Generates [A|b] again in `a` and computes ‖A·x − b‖∞ / (ε·(‖A‖∞·‖x‖∞ + ‖b‖∞)·N) and the norms in it. `x`
/// is what [`crate::backsolve::backsolve`] returned. Every process gets the same result.
///
/// Collective over the grid.
pub fn verify<C: Comm>(cx: &Context, grid: &Grid<C>, a: &mut DistMatrix, x: &[f64]) -> Check {
    a.generate(cx);
    let mut part = Part::of(cx, a, x);
    // Row sums and A·x come together along process rows, column sums down process columns.
    sum_all(&grid.along_row, &mut part.row_sums);
    sum_all(&grid.along_row, &mut part.product);
    sum_all(&grid.along_col, &mut part.col_sums);

    let b: Vec<f64> = a.b_column().map_or(Vec::new(), |b| a.local().col(b).to_vec());
    let mut b_everywhere = if b.is_empty() { vec![0.0; a.rows.local_len()] } else { b };
    sum_all(&grid.along_row, &mut b_everywhere);
    let mut residual = b_everywhere.clone();
    level1::axpy(1.0, &part.product, &mut residual);

    let mut norms = [&residual[..], &part.row_sums, &part.col_sums, &b_everywhere, x].map(norm::max_abs);
    max_all(&grid.all, &mut norms);
    // x is the same on all process rows: summed along a row, it is counted once.
    let mut x_1 = [norm::sum_abs(x)];
    sum_all(&grid.along_row, &mut x_1);
    let [residual_oo, a_oo, a_1, b_oo, x_oo] = norms;
    let norms = Norms { residual_oo, a_oo, a_1, x_oo, x_1: x_1[0], b_oo };
    Check { residual: scaled_residual(residual_oo, a_oo, x_oo, b_oo, a.n()), norms: Some(norms) }
}

/// What the local part contributes: row and column sums of |A|, and −A·x.
struct Part {
    row_sums: Vec<f64>,
    col_sums: Vec<f64>,
    product: Vec<f64>,
}

impl Part {
    fn of(cx: &Context, a: &DistMatrix, x: &[f64]) -> Part {
        let (rows, cols) = (a.rows.local_len(), x.len());
        let (data, ld) = (a.data(), a.local().ld());
        let members = cx.team().size();
        // A fixed share of the columns a member, added in the order of members: the sums do not
        // depend on who was faster.
        let share = cols.div_ceil(members).next_multiple_of(STRIP);
        let parts: Vec<Mutex<Option<Part>>> = (0..members).map(|_| Mutex::new(None)).collect();
        cx.team().phase(|member| {
            let first = (member.id() * share).min(cols);
            let width = share.min(cols - first);
            let mut part = Part { row_sums: vec![0.0; rows], col_sums: vec![0.0; width], product: vec![0.0; rows] };
            for j in (0..width).step_by(STRIP) {
                let n = STRIP.min(width - j);
                let (strip, x) = (&data[(first + j) * ld..], &x[first + j..first + j + n]);
                norm::add_abs_sums(strip, ld, rows, n, &mut part.row_sums, &mut part.col_sums[j..j + n]);
                level1::subtract_gemv(MatRef::new(strip, rows, n, ld), x, &mut part.product);
            }
            *parts[member.id()].lock().expect("one member, one part") = Some(part);
        });
        let mut parts = parts.into_iter().filter_map(|p| p.into_inner().expect("the phase is over"));
        let mut total = parts.next().expect("member 0 takes part");
        for part in parts {
            level1::axpy(1.0, &part.row_sums, &mut total.row_sums);
            level1::axpy(1.0, &part.product, &mut total.product);
            total.col_sums.extend(part.col_sums);
        }
        total
    }
}

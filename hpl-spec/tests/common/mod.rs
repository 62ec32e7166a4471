//! Legal sweeps and reports of all kinds, for property tests.
use hpl_spec::account::{Account, Sent, Spent, Spread, Timers, Waterfall};
use hpl_spec::{
    Bcast, Check, Fact, Norms, Order, Output, Phases, RunParams, RunReport, Storage, Swap, Sweep, Verdict, netlib,
    params::INT_MAX,
};
use proptest::prelude::*;
use proptest::sample::select;

fn size(least: usize) -> impl Strategy<Value = usize> {
    prop_oneof![least..least + 64, least..=INT_MAX, Just(INT_MAX)]
}

fn list<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    proptest::collection::vec(of, 1..=20)
}

fn fact() -> impl Strategy<Value = Fact> {
    select(vec![Fact::Left, Fact::Crout, Fact::Right])
}

fn bcast() -> impl Strategy<Value = Bcast> {
    select(Bcast::TABLE.iter().map(|row| row.value).collect::<Vec<_>>())
}

fn order() -> impl Strategy<Value = Order> {
    select(vec![Order::RowMajor, Order::ColumnMajor])
}

fn storage() -> impl Strategy<Value = Storage> {
    select(vec![Storage::Transposed, Storage::NoTransposed])
}

fn swap() -> impl Strategy<Value = Swap> {
    prop_oneof![
        Just(Swap::BinaryExchange),
        Just(Swap::SpreadRoll),
        size(0).prop_map(|threshold| Swap::Mix { threshold })
    ]
}

/// Every double but NaN, which is not equal to itself.
fn real() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE
}

/// Every double, NaN too.
pub fn any_real() -> impl Strategy<Value = f64> {
    prop_oneof![8 => real(), 1 => Just(f64::NAN)]
}

/// Any sweep that an HPL.dat can describe.
pub fn sweep() -> impl Strategy<Value = Sweep> {
    let place =
        (["[^\n\r]{0,40}", "[^\n\r]{0,40}"], "[!-~]{1,20}", 0..3_usize, order(), list((size(1), size(1))), real());
    let lists = (
        (list(size(0)), list(size(1))),
        (list(fact()), list(size(1)), list(size(2)), list(fact())),
        (list(bcast()), list(size(0))),
    );
    let rest = (swap(), storage(), storage(), any::<bool>(), size(1));
    (place, lists, rest).prop_map(|(place, lists, rest)| {
        let (titles, file_name, device, order, grids, threshold) = place;
        let ((ns, nbs), (pfacts, nbmins, ndivs, rfacts), (bcasts, depths)) = lists;
        let (swap, l1, u, equil, align) = rest;
        let output = match device {
            0 => Output::Stdout,
            1 => Output::Stderr,
            _ => Output::File(file_name.clone()),
        };
        Sweep {
            titles,
            output,
            file_name,
            ns,
            nbs,
            order,
            grids,
            threshold,
            pfacts,
            nbmins,
            ndivs,
            rfacts,
            bcasts,
            depths,
            swap,
            l1,
            u,
            equil,
            align,
        }
    })
}

/// Any legal run.
pub fn params() -> impl Strategy<Value = RunParams> {
    let sizes = (size(0), size(1), size(1), size(1));
    let code = (order(), 0..40_usize, bcast(), fact(), 2..40_usize, fact(), size(1));
    let rest = (swap(), storage(), storage(), any::<bool>(), size(1));
    (sizes, code, rest).prop_map(|((n, nb, p, q), code, (swap, l1, u, equil, align))| {
        let (order, depth, bcast, rfact, ndiv, pfact, nbmin) = code;
        RunParams { n, nb, p, q, order, depth, bcast, rfact, pfact, nbmin, ndiv, swap, l1, u, equil, align }
    })
}

fn norms() -> impl Strategy<Value = Norms> {
    [any_real(), any_real(), any_real(), any_real(), any_real(), any_real()]
        .prop_map(|[residual_oo, a_oo, a_1, x_oo, x_1, b_oo]| Norms { residual_oo, a_oo, a_1, x_oo, x_1, b_oo })
}

fn verdict(threshold: f64) -> impl Strategy<Value = Verdict> {
    let judged = (any_real(), norms())
        .prop_map(move |(residual, norms)| Verdict::judge(Check { residual, norms: Some(norms) }, threshold));
    let singular = size(1).prop_map(|column| Verdict::Skipped { why: netlib::solve_failed(column) });
    prop_oneof![4 => judged, 1 => singular]
}

/// An account with one timer.
fn account(params: &RunParams, rfact: f64) -> Account {
    Account {
        timers: Timers { rfact, ..Timers::default() },
        ranks: Spread::of(&[]),
        sent: Sent::default(),
        panels_under_way: 0.0,
        panels_waited_for: 0.0,
        waterfall: Waterfall::new(params, 1.0, 0.0, 1, &Spent::default()),
    }
}

/// Reports of one sweep with the threshold given: the run may be any, the
/// parameters that HPL.out has once are those of `params`.
pub fn reports(params: RunParams, threshold: f64) -> impl Strategy<Value = Vec<RunReport>> {
    let verdict =
        if hpl_spec::report::checks(threshold) { verdict(threshold).boxed() } else { Just(Verdict::Unchecked).boxed() };
    let seconds = prop_oneof![1e-9..0.004, 0.01..1e7_f64, Just(f64::INFINITY)];
    let phases = Phases { pfact: 0.5, ..Phases::default() };
    let account = proptest::option::of(0.01..1e4_f64);
    let report = (self::params(), seconds, any_real(), any::<bool>(), verdict, account).prop_map(
        move |(run, seconds, odd_rate, odd, verdict, account)| {
            let RunParams { swap, l1, u, equil, align, .. } = params;
            let params = RunParams { swap, l1, u, equil, align, ..run };
            RunReport {
                params,
                threshold,
                started: "Thu Oct  2 18:37:13 2023".into(),
                ended: "Thu Oct  2 18:37:14 2023".into(),
                seconds,
                gflops: if odd { odd_rate } else { params.gflops(seconds) },
                phases,
                idle: Vec::new(),
                around: Default::default(),
                account: account.map(|rfact| self::account(&params, rfact)),
                verdict,
            }
        },
    );
    proptest::collection::vec(report, 0..6)
}

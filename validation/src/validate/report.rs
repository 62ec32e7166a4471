//! The table of all sets, as people read it, and what is said of a disagreement. Pure.

use std::fmt::Write;

use hpl_spec::report::Norms;
use hpl_spec::{Storage, Sweep};

use super::agree::{Comparison, Difference, NAMES, PASSES};
use super::draw::{Input, Through, coverage, swap_name};
use super::reference::printing_norms;
use super::{Held, Record};

/// What the report is headed by.
#[derive(Debug, Clone)]
pub struct Head {
    /// The day, as `2026-11-26`.
    pub date: String,
    /// The machine, in a line.
    pub machine: String,
    /// What was compared with what: programs and their versions, a line each.
    pub versions: Vec<String>,
    /// The seed of the draw.
    pub seed: u64,
    /// How many sets were asked for.
    pub sets: usize,
    /// How long all of it took, in seconds.
    pub seconds: f64,
}

/// The whole report, in Markdown.
#[must_use]
pub fn render(head: &Head, inputs: &[Input], records: &[Record]) -> String {
    let Head { date, machine, versions, seed, sets, seconds } = head;
    let mut text = format!(
        "# Ours beside netlib's HPL\n\n\
         Written by `cargo xtask validate --seed {seed} --sets {sets}` on {date}, in {seconds:.0} s.\n\n\
         - machine: {machine}\n"
    );
    for version in versions {
        text += &format!("- {version}\n");
    }
    text += &format!("\n{}\n\n{EXPLAINED}\n", counts(records));
    for record in records.iter().filter(|record| !record.agrees()) {
        text += &format!("\n## Set {} disagrees\n\n```text\n{}```\n", record.number, disagreement(record, head));
    }
    text += "\n## What the sets cover\n\nHow many sets have each value.\n\n| field | values |\n|---|---|\n";
    for (field, values) in coverage(inputs) {
        text += &format!("| {field} | {values} |\n");
    }
    text += &format!("\n## The sets\n\n{}", table(records));
    text
}

/// What the words in the table mean.
const EXPLAINED: &str = "\
Each set was solved by ours and by the reference. Norms agree if ||A|| and ||b|| are within one unit of the last digit
that netlib prints (1e-6), and ||x|| within the larger of that and 1e-8 of its value. Both residuals must be below 16.
Where the reference rounds nothing (a residual of 0, as at N = 1) it prints no norms: `-`. T/V is netlib's code of PMAP,
DEPTH, BCAST, RFACT, NDIV, PFACT and NBMIN; L1 and U are T (transposed) or N. Ours ran through `mpirun`, a process a
rank, or as threads of one process, a thread a rank, whose sends may wait for their receivers (rendezvous); more ranks
than cores are usual here. For threads on more than 4 ranks the reference solved the same system on a smaller grid, as
the second grid in the column says: the norms do not depend on it.";

/// `240 sets: 236 agree in all norms, …`.
#[must_use]
pub fn counts(records: &[Record]) -> String {
    let of = |wanted: fn(&Comparison) -> bool| records.iter().filter(|record| wanted(&record.comparison())).count();
    let agree = of(|found| matches!(found, Comparison::Agrees));
    let unprinted = of(|found| matches!(found, Comparison::Unprinted));
    let largest = |check: fn(&Record) -> Option<f64>| records.iter().filter_map(check).fold(0.0, f64::max);
    format!(
        "**{} sets: {agree} agree in all norms, {unprinted} have a passing residual and no norms to compare, {} \
         disagree.** The largest residual is {:.3e} by ours and {:.3e} by the reference.",
        records.len(),
        records.len() - agree - unprinted,
        largest(|record| record.ours.as_ref().ok().map(|check| check.residual)),
        largest(|record| record.reference.as_ref().ok().map(|check| check.residual)),
    )
}

/// A row a set.
fn table(records: &[Record]) -> String {
    let mut text =
        String::from("| set | N | NB | P x Q | T/V | SWAP | L1 | U | EQUIL | ALIGN | through | ours | reference |");
    for name in NAMES {
        text += &format!(" {} |", name.replace('|', "\\|"));
    }
    text += &format!(" verdict |\n{}|\n", "|---".repeat(14 + NAMES.len()));
    for record in records {
        text += &row(record);
    }
    text
}

fn row(record: &Record) -> String {
    let Record { number, params, through, ours, reference, reference_grid, .. } = record;
    let form = |form: Storage| if form == Storage::Transposed { "T" } else { "N" };
    let mut grid = format!("{}x{}", params.p, params.q);
    if *reference_grid != (params.p, params.q) {
        let (p, q) = reference_grid;
        // Writing into a String cannot fail.
        let _ = write!(grid, " ({p}x{q})");
    }
    let residual = |check: &Result<_, String>| match check {
        Ok(hpl_spec::Check { residual, .. }) => format!("{residual:.3e}"),
        Err(_) => "none".into(),
    };
    let mut text = format!(
        "| {number} | {} | {} | {grid} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        params.n,
        params.nb,
        params.variant(),
        swap_name(params.swap),
        form(params.l1),
        form(params.u),
        if params.equil { "yes" } else { "no" },
        params.align,
        through.name(),
        residual(ours),
        residual(reference),
    );
    for norm in norms(&record.comparison()) {
        text += &format!(" {norm} |");
    }
    let passed = ours.as_ref().is_ok_and(|check| check.residual < PASSES);
    let verdict = match (record.agrees(), passed) {
        (true, true) => "PASSED",
        (false, true) => "PASSED, disagrees",
        (_, false) => "FAILED",
    };
    text + &format!(" {verdict} |\n")
}

/// A word for each norm of the table.
fn norms(comparison: &Comparison) -> [String; NAMES.len()] {
    NAMES.map(|name| match comparison {
        Comparison::Agrees => "agrees".into(),
        Comparison::Unprinted | Comparison::Unfit(_) => "-".into(),
        Comparison::Norms(found) => match found.iter().find(|difference| difference.what == name) {
            Some(Difference { reference, ours, .. }) => format!("{reference:.6}, ours {ours:.6}"),
            None => "agrees".into(),
        },
    })
}

/// Which set, what differs, and how to see it again.
#[must_use]
pub fn disagreement(record: &Record, head: &Head) -> String {
    let Record { number, params, through, .. } = record;
    let mut text = format!(
        "set {number}: N={} NB={} {}x{} {} through {}\n",
        params.n,
        params.nb,
        params.p,
        params.q,
        params.variant(),
        through.name()
    );
    match record.comparison() {
        Comparison::Norms(found) => found.iter().for_each(|difference| text += &format!("  {difference}\n")),
        Comparison::Unfit(why) => text += &format!("  {why}\n"),
        Comparison::Agrees | Comparison::Unprinted => {}
    }
    if let (Ok(ours), Ok(reference)) = (&record.ours, &record.reference) {
        text += &format!("  residuals: {:e} by the reference, {:e} by ours\n", reference.residual, ours.residual);
        for (whose, norms) in [("the reference", reference.norms), ("ours", ours.norms)] {
            text += &norms.map_or_else(String::new, |norms| format!("  norms by {whose}: {}\n", spelt(&norms)));
        }
    }
    let (seed, sets, ranks) = (head.seed, head.sets, params.processes());
    text += &format!("to repeat it: cargo xtask validate --seed {seed} --sets {sets} --only {number}\n");
    if *through != Through::Mpirun {
        text += "(which runs it on threads, as here; whether processes do the same:)\n";
    }
    let dat = printing_norms(&Sweep::of(*params, PASSES)).to_dat();
    text += &format!(
        "or, with this HPL.dat, `mpirun --oversubscribe --bind-to none -np {ranks} xhpl`, and HPL.out has the norms:\n"
    );
    dat.lines().for_each(|line| text += &format!("    {line}\n"));
    text
}

fn spelt(norms: &Norms) -> String {
    let Norms { a_oo, a_1, x_oo, x_1, b_oo, .. } = norms;
    let values = NAMES.iter().zip([a_oo, a_1, b_oo, x_oo, x_1]);
    values.map(|(name, value)| format!("{name} {value:.6}")).collect::<Vec<_>>().join(", ")
}

/// What is said of an input while the others are still to come.
#[must_use]
pub fn line(input: &Input, held: &Held) -> String {
    let (p, q) = input.grid();
    let (sets, agree) = (held.records.len(), held.records.iter().filter(|record| record.agrees()).count());
    let [ours, theirs] = held.seconds;
    let word = if agree == sets { "all agree".into() } else { format!("{} DISAGREE", sets - agree) };
    format!("{p}x{q} through {}: {sets} sets, ours {ours:.1} s, reference {theirs:.1} s, {word}", input.through.name())
}

#[cfg(test)]
mod tests {
    use hpl_spec::{Check, RunParams, Swap};

    use super::*;

    const NORMS: Norms =
        Norms { residual_oo: 1e-12, a_oo: 262.773_468, a_1: 263.865_287, x_oo: 15.25, x_1: 500.0, b_oo: 0.499_776 };

    fn head() -> Head {
        let versions = vec!["ours: xhpl 0.1.0".into(), "reference: hpcc 1.5.0".into()];
        Head { date: "2026-11-26".into(), machine: "one".into(), versions, seed: 7, sets: 12, seconds: 61.4 }
    }

    fn record(number: usize, ours: Norms) -> Record {
        let params = RunParams { swap: Swap::Mix { threshold: 20 }, equil: false, ..RunParams::new(100, 8, 3, 4) };
        Record {
            number,
            params,
            through: Through::Rendezvous,
            ours: Ok(Check { residual: 0.004, norms: Some(ours) }),
            reference: Ok(Check { residual: 0.0051, norms: Some(NORMS) }),
            reference_grid: (2, 2),
        }
    }

    #[test]
    fn a_row_tells_the_whole_set() {
        let agreeing = "| 5 | 100 | 8 | 3x4 (2x2) | WR11R2R8 | mix 20 | T | T | no | 8 | threads, rendezvous \
                        | 4.000e-3 | 5.100e-3 | agrees | agrees | agrees | agrees | agrees | PASSED |\n";
        assert_eq!(row(&record(5, NORMS)), agreeing);
        let columns = |line: &str| line.matches(" |").count();
        let text = table(&[record(5, NORMS)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(columns(lines[0]), columns(lines[2]));
        assert_eq!(columns(lines[0]), lines[1].matches("|---").count());
        let mut none = record(6, NORMS);
        none.ours = Err("a rank panicked".into());
        assert!(row(&none).ends_with("| none | 5.100e-3 | - | - | - | - | - | FAILED |\n"), "{}", row(&none));
        let mut exact = record(6, NORMS);
        exact.reference = Ok(Check { residual: 0.0, norms: None });
        assert!(row(&exact).ends_with("| 0.000e0 | - | - | - | - | - | PASSED |\n"), "{}", row(&exact));
    }

    #[test]
    fn a_disagreement_names_the_set_both_values_and_how_to_repeat_it() {
        let off = record(9, Norms { a_1: NORMS.a_1 + 2e-6, ..NORMS });
        assert!(row(&off).contains("| agrees | 263.865287, ours 263.865289 | agrees |"), "{}", row(&off));
        assert!(row(&off).ends_with("| PASSED, disagrees |\n"));
        let text = render(&head(), &[], &[record(8, NORMS), off.clone()]);
        assert!(text.contains("**2 sets: 1 agree in all norms, 0 have a passing residual"), "{text}");
        assert!(text.contains("1 disagree.**") && text.contains("## Set 9 disagrees") && !text.contains("## Set 8"));
        for words in [
            "set 9: N=100 NB=8 3x4 WR11R2R8 through threads, rendezvous",
            "||A||_1 is 263.865287 by the reference and 263.865289 by ours; they may be 0.000001 apart",
            "cargo xtask validate --seed 7 --sets 12 --only 9",
            "mpirun --oversubscribe --bind-to none -np 12 xhpl",
        ] {
            assert!(text.contains(words), "no '{words}' in {text}");
        }
        // The HPL.dat below is one of this set.
        let said = disagreement(&off, &head());
        let dat: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        let sweep = Sweep::parse(&dat.join("\n"), 12).unwrap();
        assert_eq!(sweep.runs().collect::<Vec<_>>(), [off.params]);
    }

    #[test]
    fn the_report_is_headed_by_date_machine_and_versions() {
        let inputs = super::super::draw::draw(7, 12);
        let text = render(&head(), &inputs, &[record(1, NORMS)]);
        for words in ["on 2026-11-26, in 61 s", "- machine: one\n", "- reference: hpcc 1.5.0\n", "--seed 7 --sets 12"] {
            assert!(text.contains(words), "no '{words}' in {text}");
        }
        assert!(text.contains("| BCAST | ") && !text.contains("disagrees\n"), "{text}");
    }

    #[test]
    fn a_line_counts_what_disagrees() {
        let input = super::super::draw::draw(7, 12).remove(0);
        let held = |records| Held { records, reference: None, seconds: [0.25, 1.5] };
        let good = line(&input, &held(vec![record(1, NORMS)]));
        assert!(good.ends_with(": 1 sets, ours 0.2 s, reference 1.5 s, all agree"), "{good}");
        let off = record(2, Norms { b_oo: f64::NAN, ..NORMS });
        assert!(line(&input, &held(vec![record(1, NORMS), off])).ends_with("1 DISAGREE"));
    }
}

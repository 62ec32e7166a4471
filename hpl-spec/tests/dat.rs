//! HPL.dat: what is read, what is refused, and how it is said.
use hpl_spec::{Bcast, DatError, Fact, Order, Output, RunParams, Storage, Swap, Sweep};

const NETLIB: &str = include_str!("golden/netlib.dat");
const ANY_RANKS: usize = usize::MAX;

/// netlib's file with some lines replaced.
fn dat(changes: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = NETLIB.lines().collect();
    for (line, text) in changes {
        lines[line - 1] = text;
    }
    lines.join("\n") + "\n"
}

fn good(changes: &[(usize, &str)]) -> Sweep {
    Sweep::parse(&dat(changes), ANY_RANKS).unwrap()
}

fn bad(changes: &[(usize, &str)]) -> DatError {
    Sweep::parse(&dat(changes), ANY_RANKS).unwrap_err()
}

#[test]
fn netlibs_file_means_864_runs_in_netlibs_order() {
    let sweep = Sweep::parse(NETLIB, 4).unwrap();
    assert_eq!(sweep.output, Output::Stdout);
    assert_eq!(sweep.threshold, 16.0);
    assert_eq!(sweep.tests(), 864);
    let runs: Vec<RunParams> = sweep.runs().collect();
    assert_eq!(runs.len(), 864);
    let line = |test: usize| {
        let run = runs[test];
        format!("{} {} {} {} {}", run.variant(), run.n, run.nb, run.p, run.q)
    };
    // NDIV and NBMIN change fastest, then PFACT, RFACT, NB, N and last the grid.
    assert_eq!(line(0), "WR00L2L2 29 1 2 2");
    assert_eq!(line(1), "WR00L2L4 29 1 2 2");
    assert_eq!(line(2), "WR00L2C2 29 1 2 2");
    assert_eq!(line(5), "WR00L2R4 29 1 2 2");
    assert_eq!(line(6), "WR00C2L2 29 1 2 2");
    assert_eq!(line(17), "WR00R2R4 29 1 2 2");
    assert_eq!(line(18), "WR00L2L2 29 2 2 2");
    assert_eq!(line(72), "WR00L2L2 30 1 2 2");
    assert_eq!(line(288), "WR00L2L2 29 1 1 4");
    assert_eq!(line(863), "WR00R2R4 35 4 4 1");
    assert!(runs.iter().all(|run| run.check() == Ok(()) && run.swap == Swap::Mix { threshold: 64 }));
}

#[test]
fn depth_and_broadcast_lie_between_nb_and_rfact() {
    let sweep = good(&[(22, "2"), (23, "0 5"), (24, "2"), (25, "0 1")]);
    let runs: Vec<RunParams> = sweep.runs().collect();
    assert_eq!((runs[0].depth, runs[0].bcast), (0, Bcast::Ring));
    assert_eq!((runs[18].depth, runs[18].bcast), (0, Bcast::LongM));
    assert_eq!((runs[36].depth, runs[36].bcast), (1, Bcast::Ring));
    assert_eq!((runs[72].nb, runs[72].depth), (2, 0));
}

/// Every row: the line changed, its new text; then line, field, netlib's line
/// and text.
type Row = (usize, &'static str, &'static str, u32, &'static str);

#[rustfmt::skip]
const REFUSED: &[Row] = &[
    ( 4, "abc",  "output device",      318, "Value of DEVICE OUT is not an integer"),
    ( 5, "0",    "number of N",        331, "Number of values of N is less than 1 or greater than 20"),
    ( 5, "21",   "number of N",        331, "Number of values of N is less than 1 or greater than 20"),
    ( 5, "-1",   "number of N",        331, "Number of values of N is less than 1 or greater than 20"),
    ( 5, "abc",  "number of N",        331, "Number of values of N is less than 1 or greater than 20"),
    ( 6, "29 30 34 -1", "N",           343, "Value of N less than 0"),
    ( 6, "29 30 34", "N",              343, "Value of N less than 0"),
    ( 7, "0",    "number of NB",       355, "Number of values of NB is less than 1 or greater than 20"),
    ( 8, "1 2 0 4", "NB",              367, "Value of NB less than 1"),
    ( 9, "x",    "PMAP",               383, "Value of PMAP is not an integer"),
    (10, "0",    "number of grids",    383, "Number of values of grids is less than 1 or greater than 20"),
    (11, "2 0 4", "P",                 395, "Value of P less than 1"),
    (12, "2 4 0", "Q",                 406, "Value of Q less than 1"),
    (12, "2 4",  "Q",                  406, "Value of Q less than 1"),
    (13, "x",    "threshold",          435, "Value of THRESHOLD is not a number"),
    (14, "0",    "number of PFACT",    435, "number of values of PFACT is less than 1 or greater than 20"),
    (15, "0 1",  "PFACT",              435, "number of values of PFACT is less than 1 or greater than 20"),
    (16, "0",    "number of NBMIN",    457, "Number of values of NBMIN is less than 1 or greater than 20"),
    (17, "2 0",  "NBMIN",              468, "Value of NBMIN less than 1"),
    (18, "0",    "number of NDIV",     480, "Number of values of NDIV is less than 1 or greater than 20"),
    (19, "1",    "NDIV",               491, "Value of NDIV less than 2"),
    (20, "0",    "number of RFACT",    503, "Number of values of RFACT is less than 1 or greater than 20"),
    (21, "0 1 right", "RFACT",         503, "Number of values of RFACT is less than 1 or greater than 20"),
    (22, "0",    "number of BCAST",    525, "Number of values of BCAST is less than 1 or greater than 20"),
    (23, "1ring", "BCAST",             525, "Number of values of BCAST is less than 1 or greater than 20"),
    (24, "0",    "number of DEPTH",    550, "Number of values of DEPTH is less than 1 or greater than 20"),
    (25, "-1",   "DEPTH",              562, "Value of DEPTH less than 0"),
    (26, "mix",  "SWAP",               562, "Value of SWAP is not an integer"),
    (27, "4.0",  "swapping threshold", 562, "Value of swapping threshold is not an integer"),
    (28, "x",    "L1 form",            562, "Value of L1 is not an integer"),
    (29, "x",    "U form",             562, "Value of U is not an integer"),
    (30, "yes",  "equilibration",      562, "Value of EQUIL is not an integer"),
    (31, "8x",   "alignment",          562, "Value of ALIGN is not an integer"),
];

#[test]
fn every_refusal_names_its_line_and_speaks_as_netlib() {
    for &(line, text, field, source_line, netlib) in REFUSED {
        let error = bad(&[(line, text)]);
        assert_eq!((error.line as usize, error.field), (line, field), "{text}");
        assert_eq!((error.netlib.source_line, &*error.netlib.text), (source_line, netlib), "{text}");
        let head = format!(
            "HPL ERROR from process # 0, on line {source_line} of function HPL_pdinfo:\n>>> {netlib} <<<\n\nHPL.dat line {line} ({field}): found "
        );
        assert!(error.to_string().starts_with(&head), "{error}");
        // A blank line is refused too, wherever a value belongs.
        let blank = bad(&[(line, " \t")]);
        assert_eq!((blank.line as usize, blank.field), (line, field));
    }
}

#[rustfmt::skip]
const TAUGHT: &[(usize, &str, &str)] = &[
    (5, "abc", "HPL.dat line 5 (number of N): found 'abc', expected an integer from 1 to 20. netlib HPL would read 0."),
    (5, "21", "HPL.dat line 5 (number of N): found '21', expected an integer from 1 to 20."),
    (6, "1e5 30 34 35", "HPL.dat line 6 (N): found '1e5', expected an integer of at least 0. Write 100000; netlib HPL would read 1."),
    (6, "29 100000x 34 35", "HPL.dat line 6 (N): found '100000x', expected an integer of at least 0. netlib HPL would read 100000."),
    (6, "100,200 34 35 36", "HPL.dat line 6 (N): found '100,200', expected an integer of at least 0. netlib HPL would read 100."),
    (6, "4.0 34 35 36", "HPL.dat line 6 (N): found '4.0', expected an integer of at least 0. Write 4; netlib HPL would read 4."),
    (6, "2147483648 1 1 1", "HPL.dat line 6 (N): found '2147483648', expected an integer of at least 0. It is outside the range of netlib's integers, -2147483647 to 2147483647."),
    (6, "99999999999999999999 1 1 1", "HPL.dat line 6 (N): found '99999999999999999999', expected an integer of at least 0. It is outside the range of netlib's integers, -2147483647 to 2147483647."),
    (6, "29 30  Ns", "HPL.dat line 6 (N): found 2 values, then 'Ns', expected 4 values, the number on line 5. Add what is missing, or lower the number on line 5."),
    (6, "29", "HPL.dat line 6 (N): found 1 value, expected 4 values, the number on line 5. Add what is missing, or lower the number on line 5."),
    (12, "2 4", "HPL.dat line 12 (Q): found 2 values, expected 3 values, the number on line 10. Add what is missing, or lower the number on line 10."),
    (13, "16,0", "HPL.dat line 13 (threshold): found '16,0', expected a number. 16.0 is usual."),
    (31, "", "HPL.dat line 31 (alignment): found nothing, expected an integer. The line is blank."),
];

#[test]
fn every_refusal_teaches() {
    for &(line, text, taught) in TAUGHT {
        let error = bad(&[(line, text)]).to_string();
        let (_, ours) = error.split_once("<<<\n\n").unwrap();
        assert_eq!(ours, format!("{taught}\n"), "{text}");
    }
}

#[test]
fn a_grid_that_is_too_large_is_found_before_anything_below_it() {
    let text = dat(&[(11, "2 1 4"), (12, "2 5 1"), (13, "x"), (19, "0")]);
    let error = Sweep::parse(&text, 4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "HPL ERROR from process # 0, on line 419 of function HPL_pdinfo:\n\
         >>> Need at least 5 processes for these tests <<<\n\n\
         HPL.dat line 12 (P x Q): found 1 x 5 = 5 processes, expected at most 4, the number of MPI \
         ranks. Start 5 ranks (mpirun -np 5) or make the grid smaller.\n"
    );
    assert_eq!(Sweep::parse(&text, 5).unwrap_err().line, 13);
    // But a Q that is not legal comes first.
    assert_eq!(Sweep::parse(&dat(&[(12, "2 5 0")]), 4).unwrap_err().netlib.source_line, 406);
    // The largest grid there is does not overflow.
    let huge = dat(&[(11, "2147483647 1 1"), (12, "2147483647 1 1")]);
    let error = Sweep::parse(&huge, 4).unwrap_err();
    assert_eq!(error.netlib.text, "Need at least 4611686014132420609 processes for these tests");
    assert!(Sweep::parse(&huge, ANY_RANKS).is_ok());
}

#[test]
fn the_first_error_in_the_file_counts() {
    let wrong: Vec<(usize, &str)> = REFUSED.iter().map(|row| (row.0, row.1)).collect();
    for start in 0..wrong.len() {
        assert_eq!(bad(&wrong[start..]).line as usize, wrong[start].0);
    }
}

#[test]
fn a_file_may_end_nowhere_but_after_line_31() {
    let lines: Vec<&str> = NETLIB.lines().collect();
    for kept in 0..31 {
        let error = Sweep::parse(&lines[..kept].join("\n"), ANY_RANKS).unwrap_err();
        assert_eq!(error.line as usize, kept + 1);
        assert_eq!(error.found, "the end of the file");
        assert_eq!(&*error.advice, format!("HPL.dat has 31 lines; this one ends after line {kept}."));
    }
    let empty = Sweep::parse("", ANY_RANKS).unwrap_err();
    assert_eq!(empty.netlib.source_line, 331);
}

#[test]
fn codes_outside_their_range_take_netlibs_defaults() {
    for other in ["-7", "9", "2147483647", "-2147483647"] {
        let sweep = good(&[
            (9, other),
            (14, "1"),
            (15, other),
            (20, "1"),
            (21, other),
            (22, "1"),
            (23, other),
            (26, other),
            (28, other),
            (29, other),
            (30, other),
        ]);
        assert_eq!(sweep.order, Order::RowMajor);
        assert_eq!((sweep.pfacts, sweep.rfacts), (vec![Fact::Right], vec![Fact::Right]));
        assert_eq!(sweep.bcasts, [Bcast::RingM]);
        assert_eq!(sweep.swap, Swap::SpreadRoll);
        assert_eq!((sweep.l1, sweep.u), (Storage::Transposed, Storage::Transposed));
        assert!(sweep.equil);
    }
    assert_eq!(good(&[(9, "1")]).order, Order::ColumnMajor);
    assert_eq!(good(&[(27, "-5")]).swap, Swap::Mix { threshold: 0 });
    assert_eq!(good(&[(26, "0"), (27, "99")]).swap, Swap::BinaryExchange);
    assert_eq!(good(&[(28, "1"), (29, "1")]).u, Storage::NoTransposed);
    assert!(!good(&[(30, "0")]).equil);
    assert_eq!((good(&[(31, "0")]).align, good(&[(31, "-8")]).align), (4, 4));
    assert_eq!(good(&[(31, "+16")]).align, 16);
}

#[test]
fn the_device_chooses_where_the_report_goes() {
    assert_eq!(good(&[(4, "7")]).output, Output::Stderr);
    for device in ["8", "0", "-1", "file"] {
        let sweep = good(&[(3, "run.out  and a comment"), (4, device)]);
        assert_eq!(sweep.output, Output::File("run.out".into()));
        assert_eq!(sweep.file_name, "run.out");
    }
    assert_eq!(good(&[(3, "run.out")]).file_name, "run.out");
    // A blank name matters only to those who need it.
    assert_eq!(good(&[(3, "")]).file_name, "HPL.out");
    let error = bad(&[(3, ""), (4, "8")]);
    assert_eq!((error.line, &*error.netlib.text), (3, "cannot open file ."));
}

#[test]
fn thresholds_are_what_atof_reads() {
    let read = |text: &str| good(&[(13, text)]).threshold;
    for (text, value) in [
        ("16", 16.0),
        ("-16.0", -16.0),
        ("1e-10", 1e-10),
        (".5", 0.5),
        ("5.", 5.0),
        ("+1E3", 1000.0),
        ("0", 0.0),
        ("inf", f64::INFINITY),
        ("-INFINITY", f64::NEG_INFINITY),
    ] {
        assert_eq!(read(text), value, "{text}");
    }
    assert!(read("nan").is_nan() && read("-NaN").is_nan());
}

#[test]
fn shapes_that_do_no_harm() {
    let plain = Sweep::parse(NETLIB, ANY_RANKS).unwrap();
    let crlf = NETLIB.replace('\n', "\r\n");
    assert_eq!(Sweep::parse(&crlf, ANY_RANKS).unwrap(), plain);
    let blanks = dat(&[(6, "  29\t 30   34 35\tNs"), (5, "\t 4 ")]);
    assert_eq!(Sweep::parse(&blanks, ANY_RANKS).unwrap(), plain);
    let longer = dat(&[(6, &format!("29 30 34 35 {}", "x".repeat(1000)))]) + "0 values for PTRANS\n";
    assert_eq!(Sweep::parse(&longer, ANY_RANKS).unwrap(), plain);
    // The last line may lack its end; more values than the count are comment.
    assert_eq!(Sweep::parse(NETLIB.trim_end(), ANY_RANKS).unwrap(), plain);
    assert_eq!(good(&[(5, "2")]).ns, [29, 30]);
    // N = 0 and 20 values are legal.
    let twenty = vec!["0"; 20].join(" ");
    assert_eq!(good(&[(5, "20"), (6, &twenty)]).ns, [0; 20]);
    // A byte order mark stands in free text.
    assert_eq!(Sweep::parse(&format!("\u{feff}{NETLIB}"), ANY_RANKS).unwrap().ns, plain.ns);
    // Comments may be any bytes.
    let mut bytes = NETLIB.replace("# of NBs", "# of ~").into_bytes();
    let tilde = bytes.iter().position(|byte| *byte == b'~').unwrap();
    bytes[tilde] = 0xfc;
    assert_eq!(Sweep::parse_bytes(&bytes, ANY_RANKS).unwrap(), plain);
}

#[test]
fn the_file_we_write_is_the_file_netlib_ships() {
    let sweep = Sweep::parse(NETLIB, ANY_RANKS).unwrap();
    assert_eq!(sweep.to_dat(), NETLIB);
}

#[test]
fn a_run_without_a_file() {
    let params = RunParams { nbmin: 16, swap: Swap::Mix { threshold: 3 }, ..RunParams::new(500, 32, 2, 3) };
    let sweep = Sweep::of(params, 16.0);
    assert_eq!(sweep.runs().collect::<Vec<_>>(), [params]);
    assert_eq!(Sweep::parse(&sweep.to_dat(), 6).unwrap(), sweep);
    // Text that does not fit on its line does not spill over.
    let odd = Sweep { titles: ["a\nb\r".into(), String::new()], file_name: " ".into(), ..sweep };
    let back = Sweep::parse(&odd.to_dat(), 6).unwrap();
    assert_eq!((&*back.titles[0], &*back.file_name, back.ns), ("a b ", "HPL.out", vec![500]));
}

#[test]
fn messages_of_netlib() {
    use hpl_spec::netlib;
    let shape = |line: u32, function: &str, text: &str| {
        format!("HPL ERROR from process # 0, on line {line} of function {function}:\n>>> {text} <<<\n\n")
    };
    assert_eq!(netlib::cannot_open_dat(), shape(299, "HPL_pdinfo", "cannot open file HPL.dat"));
    assert_eq!(netlib::cannot_open_output("a/b"), shape(318, "HPL_pdinfo", "cannot open file a/b."));
    let illegal = "Illegal input in file HPL.dat. Exiting ...";
    assert_eq!(netlib::illegal_input(), shape(621, "HPL_pdinfo", illegal));
    let memory = "[1,2] Memory allocation failed for A, x and b. Skip.";
    assert_eq!(netlib::allocation_failed(1, 2), shape(173, "HPL_pdtest", memory));
    let singular = "Error code returned by solve is 7, skip";
    assert_eq!(netlib::solve_failed(7), shape(331, "HPL_pdtest", singular));
}

/// Found by the fuzz target: such a title was written with a blank in its place, and so read back as another.
#[test]
fn a_title_with_a_carriage_return_in_it_survives_its_file() {
    let text = include_str!("golden/netlib.dat").replacen("HPLinpack benchmark", "HPLinpack\rbenchmark\r", 1);
    let sweep = Sweep::parse(&text, 4).unwrap();
    assert!(!sweep.titles[0].contains('\r') && sweep.titles[0].starts_with("HPLinpack benchmark "), "{sweep:?}");
    assert_eq!(Sweep::parse(&sweep.to_dat(), 4), Ok(sweep));
}

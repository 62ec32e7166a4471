//! Bad input through the real program: what is said, the exit status, that nothing is written, and that no
//! rank hangs. The finer points of the parser are tested in hpl-spec.
#![forbid(unsafe_code)]

use hpl_spec::{Sweep, Tally, Verdict};
use validation::{Job, Outcome, dat};

/// An HPL.out of an earlier run, which bad input must leave alone.
const EARLIER: &str = "an earlier report\n";

/// netlib's file on one rank, shortened to two tests, reported in HPL.out.
const ONE_RANK: &[(usize, &str)] =
    &[(4, "8"), (5, "2"), (7, "1"), (10, "1"), (11, "1"), (12, "1"), (14, "1"), (16, "1"), (20, "1")];

fn one_rank(changes: &[(usize, &str)]) -> String {
    dat::edited(&dat::edited(dat::NETLIB, ONE_RANK), changes)
}

/// A message in netlib's shape.
fn netlib(line: u32, text: &str) -> String {
    format!("HPL ERROR from process # 0, on line {line} of function HPL_pdinfo:\n>>> {text} <<<\n\n")
}

/// Status 1, these words on stderr and no other ending, nothing on stdout.
fn refused(outcome: &Outcome, words: &[&str]) {
    assert_eq!((outcome.code, &*outcome.stdout), (Some(1), ""), "{}", outcome.said());
    for words in words {
        assert!(outcome.stderr.contains(words), "missing: {words}\n{}", outcome.said());
    }
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.said());
}

/// The same for an HPL.dat: netlib's message, a line that teaches, netlib's last message; HPL.out is as it was.
fn dat_refused(outcome: &Outcome, message: &str, teaching: &str) {
    let last = netlib(621, "Illegal input in file HPL.dat. Exiting ...");
    refused(outcome, &[message, teaching, &last]);
    let order = [message, teaching, &last].map(|words| outcome.stderr.find(words));
    assert!(order.is_sorted(), "the order of the messages\n{}", outcome.said());
    assert_eq!(outcome.stderr.matches("HPL ERROR").count(), 2, "each message once\n{}", outcome.said());
    if let Some(text) = outcome.file("HPL.out") {
        assert_eq!(text, EARLIER, "HPL.out was touched");
    }
}

/// Line, its new text, netlib's line and message, what ours says of it.
type Row = (usize, &'static str, u32, &'static str, &'static str);

#[rustfmt::skip]
const REFUSED: &[Row] = &[
    ( 4, "x",     318, "Value of DEVICE OUT is not an integer", "(output device): found 'x', expected an integer"),
    ( 5, "0",     331, "Number of values of N is less than 1 or greater than 20", "(number of N): found '0', expected an integer from 1 to 20"),
    ( 5, "21",    331, "Number of values of N is less than 1 or greater than 20", "(number of N): found '21'"),
    ( 5, "-1",    331, "Number of values of N is less than 1 or greater than 20", "(number of N): found '-1'"),
    ( 5, "abc",   331, "Number of values of N is less than 1 or greater than 20", "(number of N): found 'abc'"),
    ( 6, "29 -1", 343, "Value of N less than 0", "(N): found '-1', expected an integer of at least 0"),
    ( 6, "1e5 9", 343, "Value of N less than 0", "(N): found '1e5', expected an integer of at least 0. Write 100000"),
    ( 6, "100000x 9", 343, "Value of N less than 0", "(N): found '100000x'"),
    ( 6, "29",    343, "Value of N less than 0", "(N): found 1 value, expected 2 values, the number on line 5"),
    ( 7, "0",     355, "Number of values of NB is less than 1 or greater than 20", "(number of NB): found '0'"),
    ( 8, "0",     367, "Value of NB less than 1", "(NB): found '0', expected an integer of at least 1"),
    (10, "21",    383, "Number of values of grids is less than 1 or greater than 20", "(number of grids): found '21'"),
    (11, "0",     395, "Value of P less than 1", "(P): found '0'"),
    (12, "0",     406, "Value of Q less than 1", "(Q): found '0'"),
    (12, "7",     419, "Need at least 7 processes for these tests", "(P x Q): found 1 x 7 = 7 processes, expected at most 1"),
    (13, "x",     435, "Value of THRESHOLD is not a number", "(threshold): found 'x'"),
    (14, "0",     435, "number of values of PFACT is less than 1 or greater than 20", "(number of PFACT): found '0'"),
    (16, "0",     457, "Number of values of NBMIN is less than 1 or greater than 20", "(number of NBMIN): found '0'"),
    (17, "0",     468, "Value of NBMIN less than 1", "(NBMIN): found '0'"),
    (18, "0",     480, "Number of values of NDIV is less than 1 or greater than 20", "(number of NDIV): found '0'"),
    (19, "1",     491, "Value of NDIV less than 2", "(NDIV): found '1', expected an integer of at least 2"),
    (20, "0",     503, "Number of values of RFACT is less than 1 or greater than 20", "(number of RFACT): found '0'"),
    (22, "0",     525, "Number of values of BCAST is less than 1 or greater than 20", "(number of BCAST): found '0'"),
    (24, "0",     550, "Number of values of DEPTH is less than 1 or greater than 20", "(number of DEPTH): found '0'"),
    (25, "-1",    562, "Value of DEPTH less than 0", "(DEPTH): found '-1', expected an integer of at least 0"),
];

#[test]
fn every_illegal_line_is_refused_and_taught() {
    for (row, &(line, text, source_line, message, teaching)) in REFUSED.iter().enumerate() {
        let mut job = Job::xhpl().dat(one_rank(&[(line, text)]));
        let before: &[&str] = if row % 2 == 0 { &["HPL.dat", "HPL.out"] } else { &["HPL.dat"] };
        if row % 2 == 0 {
            job = job.file("HPL.out", EARLIER);
        }
        let outcome = job.run();
        let teaching = format!("HPL.dat line {line} {teaching}");
        dat_refused(&outcome, &netlib(source_line, message), &teaching);
        assert_eq!(outcome.names(), before, "line {line}, '{text}': nothing is written");
    }
}

#[test]
fn ranks_that_read_nothing_do_not_hang() {
    let cases = [
        // In the file, this comes before what is wrong below it.
        ((12, "3"), 419, "Need at least 3 processes for these tests", "expected at most 2, the number of MPI ranks"),
        ((6, "29 -1"), 343, "Value of N less than 0", "HPL.dat line 6 (N): found '-1'"),
        ((25, "-1"), 562, "Value of DEPTH less than 0", "HPL.dat line 25 (DEPTH): found '-1'"),
    ];
    for (change, source_line, message, teaching) in cases {
        let text = one_rank(&[change, (19, if change.0 == 12 { "0" } else { "2" })]);
        let outcome = Job::xhpl().ranks(2).dat(text).file("HPL.out", EARLIER).run();
        dat_refused(&outcome, &netlib(source_line, message), teaching);
    }
    let outcome = Job::xhpl().ranks(2).run();
    dat_refused(&outcome, &netlib(299, "cannot open file HPL.dat"), "HPL.dat: No such file");
    let outcome = Job::xhpl().ranks(2).dat(dat::small()).args(&["--threads", "0"]).run();
    refused(&outcome, &["--threads", "'0'", "expected a number of threads from 1"]);
}

#[test]
fn an_hpl_dat_that_is_none() {
    let missing = netlib(299, "cannot open file HPL.dat");
    let outcome = Job::xhpl().run();
    dat_refused(&outcome, &missing, "HPL.dat: No such file");
    assert!(outcome.names().is_empty(), "{:?}", outcome.names());
    dat_refused(&Job::xhpl().folder("HPL.dat").run(), &missing, "HPL.dat: Is a directory");
    dat_refused(&Job::xhpl().args(&["--dat", "other.dat"]).run(), &missing, "other.dat: No such file");

    let empty = netlib(331, "Number of values of N is less than 1 or greater than 20");
    dat_refused(&Job::xhpl().dat("").run(), &empty, "HPL.dat has 31 lines; this one ends after line 0.");
    let short: String = one_rank(&[]).lines().take(24).map(|line| format!("{line}\n")).collect();
    let depth = netlib(562, "Value of DEPTH less than 0");
    dat_refused(&Job::xhpl().dat(short).run(), &depth, "this one ends after line 24.");
    // A program instead of a text.
    let job = Job::xhpl().dat([0x7f, b'E', b'L', b'F', 0, 1, 2, 0xff, b'\n'].repeat(40)).run();
    refused(&job, &["HPL.dat line 4 (output device)"]);
}

#[test]
fn an_output_file_that_cannot_be_written() {
    let says = |name: &str| netlib(318, &format!("cannot open file {name}."));
    let text = one_rank(&[(3, "nowhere/HPL.out")]);
    let outcome = Job::xhpl().dat(&text).run();
    dat_refused(&outcome, &says("nowhere/HPL.out"), "Line 3 of HPL.dat names the file");
    assert_eq!(outcome.names(), ["HPL.dat"]);
    dat_refused(&Job::xhpl().ranks(2).dat(&text).run(), &says("nowhere/HPL.out"), "Line 3 of HPL.dat");
    // netlib opens it before it reads on.
    let wrong_below = dat::edited(&text, &[(19, "1")]);
    dat_refused(&Job::xhpl().dat(wrong_below).run(), &says("nowhere/HPL.out"), "Line 3 of HPL.dat");
    let outcome = Job::xhpl().dat(one_rank(&[(3, "folder")])).folder("folder").run();
    dat_refused(&outcome, &says("folder"), "Line 3 of HPL.dat");
}

#[test]
fn a_refused_run_writes_no_other_file_either() {
    let both = ["--json", "report.json", "--events", "events.jsonl"];
    let wrong = [one_rank(&[(3, "nowhere/HPL.out")]), one_rank(&[(19, "1")]), one_rank(&[(12, "7")])];
    for text in wrong {
        let outcome = Job::xhpl().dat(text).args(&both).run();
        refused(&outcome, &["HPL ERROR"]);
        assert_eq!(outcome.names(), ["HPL.dat"], "nothing but the message is written");
    }
    let outcome = Job::xhpl()
        .dat(one_rank(&[]))
        .file("HPL.out", EARLIER)
        .file("report.json", EARLIER)
        .args(&["--json", "report.json", "--events", "nowhere/events.jsonl"])
        .run();
    refused(&outcome, &["--events nowhere/events.jsonl: No such file"]);
    let kept = ["HPL.out", "report.json"].map(|name| outcome.file(name));
    assert_eq!(kept, [Some(EARLIER.to_owned()), Some(EARLIER.to_owned())]);
}

#[test]
fn options_that_make_no_sense() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--kernel", "nonesuch", "--n", "8"], &["nonesuch", "faer"]),
        (&["--threads", "0", "--n", "8"], &["--threads", "'0'", "from 1"]),
        (&["--threads", "two", "--n", "8"], &["--threads", "'two'"]),
        (&["--n"], &["--n"]),
        (&["--n", "1e4"], &["--n", "1e4"]),
        (&["--n", "8", "--nb", "0"], &["--nb", "'0'", "from 1"]),
        (&["--n", "8", "-p", "0"], &["-p", "'0'", "from 1"]),
        (&["--n", "2147483648"], &["--n", "'2147483648'", "from 0"]),
        (&["--nb", "8"], &["--n"]),
        (&["--n", "8", "--dat", "HPL.dat"], &["--n", "--dat"]),
        (&["--n", "8", "-p", "2", "-q", "3"], &["6 MPI ranks", "mpirun -np 6"]),
        (&["--n", "8", "--json", "nowhere/report.json"], &["--json nowhere/report.json"]),
        (&["--n", "8", "--events", "nowhere/events.jsonl"], &["--events nowhere/events.jsonl"]),
        (&["--n", "8", "--json", "."], &["--json .", "irectory"]),
        (&["--nonesuch"], &["--nonesuch"]),
        (&["nonesuch"], &["nonesuch"]),
    ];
    for (args, words) in cases {
        let outcome = Job::xhpl().dat(one_rank(&[])).file("HPL.out", EARLIER).args(args).run();
        refused(&outcome, words);
        assert_eq!(outcome.names(), ["HPL.dat", "HPL.out"], "{args:?}: nothing is written");
        assert_eq!(outcome.file("HPL.out").as_deref(), Some(EARLIER), "{args:?}");
    }
}

/// The report in HPL.out of a run that took its input.
fn taken(outcome: &Outcome) -> hpl_spec::out::Parsed {
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{}", outcome.said());
    hpl_spec::out::parse(&outcome.file("HPL.out").expect("device 8 writes HPL.out")).unwrap()
}

#[test]
fn odd_shapes_are_taken() {
    let two_passed = Tally { passed: 2, failed: 0, skipped: 0 };
    let plain = one_rank(&[]);
    let mut not_utf8 = plain.replace("Ns", "~s").into_bytes();
    not_utf8.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = 0xfc);
    let long = format!("29 30 {}", "x".repeat(300));
    let odd: [Vec<u8>; 6] = [
        plain.replace('\n', "\r\n").into_bytes(),
        one_rank(&[(6, &long)]).into_bytes(),
        one_rank(&[(6, "  29\t  30   Ns")]).into_bytes(),
        format!("{plain}0 values for PTRANS\n").into_bytes(),
        plain.trim_end().as_bytes().to_vec(),
        not_utf8,
    ];
    for text in odd {
        let sweep = Sweep::parse_bytes(&text, 1).unwrap();
        // An HPL.out of an earlier run is replaced, not appended to.
        let outcome = Job::xhpl().dat(text).file("HPL.out", EARLIER.repeat(1000)).run();
        let report = taken(&outcome);
        assert_eq!((sweep.tests(), report.tally), (2, two_passed));
        assert!(!outcome.file("HPL.out").unwrap().contains(EARLIER));
    }
}

/// What is no text, on each line in its turn: the program takes it or refuses it with its line, as the parser does.
#[test]
fn bytes_that_are_no_text_are_taken_or_refused() {
    let words: [&[u8]; 3] = [b"\xff\xfe", b"8\0", b"\xed\xa0\x80 8"];
    let plain = one_rank(&[]);
    let lines: Vec<&[u8]> = plain.lines().map(str::as_bytes).collect();
    let mut refusals = 0;
    for (at, word) in (0..lines.len()).zip(words.into_iter().cycle()) {
        let mut odd = lines.clone();
        odd[at] = word;
        let text = odd.join(&b'\n');
        let parsed = Sweep::parse_bytes(&text, 1);
        let outcome = Job::xhpl().dat(&text).run();
        match parsed {
            // The titles, and the name of the output file.
            Ok(_) => assert_eq!((outcome.code, at < 3), (Some(0), true), "line {}: {}", at + 1, outcome.said()),
            Err(why) => {
                refusals += 1;
                assert_eq!(why.line as usize, at + 1, "{why}");
                refused(&outcome, &[&why.to_string(), &format!("HPL.dat line {}", at + 1)]);
            }
        }
    }
    assert_eq!(refusals, 28);
}

#[test]
fn unknown_codes_take_netlibs_defaults() {
    let codes = [(9, "7"), (15, "9"), (21, "-4"), (23, "6"), (26, "3"), (28, "2"), (29, "2"), (30, "2"), (31, "0")];
    let outcome = Job::xhpl().dat(one_rank(&codes)).run();
    let report = taken(&outcome);
    assert_eq!(report.tally, Tally { passed: 2, failed: 0, skipped: 0 });
    assert_eq!(report.reports[0].params.variant(), "WR01R2R2");
    let header = outcome.file("HPL.out").unwrap();
    for line in [
        "PMAP   : Row-major process mapping",
        "SWAP   : Spread-roll (long)",
        "L1     : transposed form",
        "U      : transposed form",
        "EQUIL  : yes",
        "ALIGN  : 4 double precision words",
    ] {
        assert!(header.lines().any(|l| l.trim_end() == line), "missing: {line}\n{header}");
    }
}

#[test]
fn a_threshold_of_zero_or_less_asks_for_no_check() {
    for threshold in ["0", "-16.0", "-inf"] {
        let outcome = Job::xhpl().dat(one_rank(&[(13, threshold)])).args(&["--strict"]).run();
        let report = taken(&outcome);
        assert_eq!(report.tally, Tally { passed: 2, failed: 0, skipped: 0 });
        assert!(report.reports.iter().all(|report| report.verdict == Verdict::Unchecked));
        let text = outcome.file("HPL.out").unwrap();
        assert!(text.contains("      2 tests completed without checking,") && !text.contains("_oo/"), "{text}");
        assert_eq!(text.matches("T/V                N").count(), 1, "the table head comes once");
    }
}

#[test]
fn a_failed_test_is_said_and_strict_returns_2() {
    let two_failed = Tally { passed: 0, failed: 2, skipped: 0 };
    for threshold in ["1e-10", "nan"] {
        let text = one_rank(&[(13, threshold)]);
        let outcome = Job::xhpl().dat(&text).run();
        let report = taken(&outcome);
        assert_eq!(report.tally, two_failed, "{threshold}");
        let said = outcome.file("HPL.out").unwrap();
        assert_eq!(said.matches(" ...... FAILED\n").count(), 2);
        if threshold != "nan" {
            assert_eq!(said.matches("||x||_1  . . .").count(), 2, "a failure shows its norms\n{said}");
        }
        let strict = Job::xhpl().dat(&text).args(&["--strict"]).run();
        assert_eq!(strict.code, Some(2), "{}", strict.said());
    }
    let strict = Job::xhpl().ranks(2).dat(one_rank(&[(13, "1e-10")])).args(&["--strict"]).run();
    assert_eq!(strict.code, Some(2), "{}", strict.said());
    let strict = Job::xhpl().dat(one_rank(&[])).args(&["--strict"]).run();
    assert_eq!(taken(&strict).tally, Tally { passed: 2, failed: 0, skipped: 0 });
}

/// The order of a matrix that takes four times the memory of this machine.
fn too_large() -> usize {
    let node: hpl_spec::NodeInfo = serde_json::from_str(&Job::xhpl().args(&["describe"]).run().stdout).unwrap();
    (node.memory_total as f64 / 2.0).sqrt() as usize
}

#[test]
fn a_matrix_that_does_not_fit_is_skipped() {
    let n = too_large();
    let text = one_rank(&[(5, "3"), (6, &format!("12 {n} 30"))]);
    let wide = dat::edited(&text, &[(12, "2")]);
    let jobs =
        [(Job::xhpl().dat(&text), 1), (Job::xhpl().ranks(2).dat(&wide), 2), (Job::xhpl().ranks(3).dat(&wide), 3)];
    for (job, ranks) in jobs {
        let outcome = job.args(&["--json", "report.json"]).run();
        let report = taken(&outcome);
        assert_eq!(report.tally, Tally { passed: 2, failed: 0, skipped: 1 }, "{ranks} ranks");
        assert_eq!(report.reports.iter().map(|r| r.params.n).collect::<Vec<_>>(), [12, n, 30]);
        let said = outcome.file("HPL.out").unwrap();
        let netlibs = "HPL ERROR from process # 0, on line 173 of function HPL_pdtest:\n>>> [0,0] Memory allocation failed for A, x and b. Skip. <<<\n\n";
        assert!(said.contains(&netlibs.replace("[0,0]", &format!("[0,{}]", ranks.min(2) - 1))), "{said}");
        figures(&said, n);
        let json = outcome.file("report.json").unwrap();
        let json: hpl_spec::SweepReport = serde_json::from_str(&json).unwrap();
        let Verdict::Skipped { why } = &json.reports[1].verdict else { panic!("{json:?}") };
        assert!(said.contains(why.trim_end()), "{why}");
    }
    let strict = Job::xhpl().dat(&text).args(&["--strict"]).run();
    assert_eq!(strict.code, Some(2), "{}", strict.said());
    // A rank outside the grid does not know of the skipped test, and ends as the others do.
    let strict = Job::xhpl().ranks(3).dat(&wide).args(&["--strict"]).run();
    assert_eq!(strict.code, Some(2), "{}", strict.said());
}

/// What is needed and what there is, in GB.
fn figures(said: &str, n: usize) {
    let line = said.lines().find(|line| line.contains(" GB ")).unwrap_or_else(|| panic!("no figures\n{said}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let gb: Vec<f64> =
        words.windows(2).filter(|pair| pair[1] == "GB").filter_map(|pair| pair[0].parse().ok()).collect();
    let [needed, available] = gb[..] else { panic!("two figures are wanted: {line}") };
    let matrix = 8.0 * (n as f64).powi(2) / 1e9;
    assert!(needed >= matrix && needed < 1.1 * matrix + 1.0, "{line}");
    assert!(available > 0.0 && available < needed, "{line}");
}

/// A limit on the address space that leaves room for the matrix and not for what a run needs beside it: netlib's message,
/// and the end of the job.
#[test]
#[cfg(target_os = "linux")]
fn no_memory_beside_the_matrix_aborts() {
    let xhpl = validation::program::xhpl();
    let run = |kib: usize| {
        let script = format!(
            "ulimit -v {kib}; exec '{}' --n 1500 --nb 750 --threads 1 --profile none --json report.json",
            xhpl.display()
        );
        Job::of("/bin/sh").args(&["-c", &script]).run()
    };
    // The program's own size is not known: limits from one under which nothing fits to one under which all does.
    let mut aborted = None;
    for kib in (60_000..2_000_000).step_by(4_000) {
        let outcome = run(kib);
        if outcome.stderr.contains("<<< Abort ...") {
            aborted = Some(outcome);
            break;
        }
        assert!(
            !outcome.stdout.contains("PASSED"),
            "with {kib} KiB all was there, and no smaller limit broke the run midway"
        );
    }
    let outcome = aborted.expect("some limit lies between the matrix and the rest");
    assert!(outcome.stderr.contains("HPL ERROR from process # 0, on line "), "{}", outcome.said());
    assert!(outcome.stderr.contains("cannot allocate "), "{}", outcome.said());
    assert_ne!(outcome.code, Some(0), "{}", outcome.said());
    let cancelled = outcome.json().cancelled.expect("rank 0 had its last words");
    assert!(cancelled.why.contains("cannot allocate "), "{cancelled}");
}

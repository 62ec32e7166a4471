//! The parameters of the run: from HPL.dat or from the command line, found out on rank 0, known to all.

use std::fs::File;
use std::path::Path;

use hpl_mpi::comm::{Comm, broadcast_bytes};
use hpl_spec::dat::{DatError, Output, Sweep};
use hpl_spec::netlib;
use hpl_spec::params::RunParams;
use hpl_spec::report::SweepReport;

use crate::args::Args;
use crate::sink::Sinks;

/// netlib's usual threshold, for runs without a file.
const THRESHOLD: f64 = 16.0;
/// From this N on the wider blocks pay.
const WIDE_FROM: usize = 4000;

/// The sweep, and on rank 0 where its results go.
///
/// # Errors
/// On every rank; on rank 0 with what is to be said, elsewhere empty.
pub fn sweep<C: Comm>(world: &C, args: &Args) -> Result<(Sweep, Option<Sinks>), String> {
    let mut sinks = None;
    let found = (world.rank() == 0).then(|| {
        read(args, world.size()).and_then(|sweep| {
            sinks = Some(Sinks::open(&sweep.output, args.json.as_deref(), args.events.as_deref())?);
            Ok(sweep)
        })
    });
    // One byte says how it went, then come the parameters.
    let message = found.as_ref().map(|found| match found {
        Ok(sweep) => [b"+", serde_json::to_vec(sweep).unwrap_or_default().as_slice()].concat(),
        Err(_) => b"-".to_vec(),
    });
    let message = broadcast_bytes(world, message.as_deref(), 0);
    match found {
        Some(found) => found.map(|sweep| (sweep, sinks)),
        None => match message.split_first() {
            Some((b'+', json)) => serde_json::from_slice(json).map(|s| (s, None)).map_err(|e| e.to_string()),
            _ => Err(String::new()),
        },
    }
}

fn read(args: &Args, ranks: usize) -> Result<Sweep, String> {
    if let Some(n) = args.n {
        return from_options(args, n, ranks);
    }
    let path = args.dat.as_deref().unwrap_or(Path::new("HPL.dat"));
    let bytes = std::fs::read(path).map_err(|e| {
        format!(
            "{}{}: {e}. A run without a file: xhpl --n 8000\n{}",
            netlib::cannot_open_dat(),
            path.display(),
            netlib::illegal_input()
        )
    })?;
    Sweep::parse_bytes(&bytes, ranks).map_err(|error| {
        let first = if error.line > 4 { unwritable(&bytes) } else { None };
        first.unwrap_or_else(|| format!("{error}{}", netlib::illegal_input()))
    })
}

/// netlib opens the output file before it looks at line 5: what is wrong with it is said first. Nothing is
/// created here.
fn unwritable(bytes: &[u8]) -> Option<String> {
    let Ok(Output::File(name)) = output_of(bytes) else { return None };
    let path = Path::new(&name);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (path.is_dir() || !folder.is_dir()).then(|| cannot_write(&name, "no such folder, or a folder itself"))
}

fn output_of(bytes: &[u8]) -> Result<Output, DatError> {
    Sweep::parse_output(&String::from_utf8_lossy(bytes))
}

/// What is said about an output file that cannot be written.
pub fn cannot_write(name: &str, why: &str) -> String {
    format!(
        "{}{name}: {why}. Line 3 of HPL.dat names the file, line 4 asks for it (6 is stdout).\n{}",
        netlib::cannot_open_output(name),
        netlib::illegal_input()
    )
}

fn from_options(args: &Args, n: usize, ranks: usize) -> Result<Sweep, String> {
    let (p, q) = match (args.p, args.q) {
        (Some(p), Some(q)) => (p, q),
        (Some(p), None) => (p, (ranks / p.max(1)).max(1)),
        (None, Some(q)) => ((ranks / q.max(1)).max(1), q),
        (None, None) => squarest(ranks),
    };
    let nb = args.nb.unwrap_or(if n < WIDE_FROM { 128 } else { 256 });
    let params = RunParams::new(n, nb, p, q);
    params.check().map_err(|e| format!("xhpl: {e}\n"))?;
    if params.processes() > ranks {
        return Err(format!(
            "xhpl: a {p} x {q} grid needs {} MPI ranks, found {ranks}. Start with: mpirun -np {}\n",
            params.processes(),
            params.processes()
        ));
    }
    Ok(Sweep::of(params, THRESHOLD))
}

/// The squarest grid of exactly `ranks` ranks, P ≤ Q.
fn squarest(ranks: usize) -> (usize, usize) {
    let p = (1..=ranks).take_while(|p| p * p <= ranks).filter(|p| ranks.is_multiple_of(*p)).last().unwrap_or(1);
    (p, ranks / p)
}

/// Writes the report of the sweep as JSON.
///
/// # Errors
/// What the system says.
pub fn write_json(mut file: &File, report: &SweepReport) -> Result<(), String> {
    use std::io::Write;
    serde_json::to_writer_pretty(file, report).map_err(|e| e.to_string())?;
    file.write_all(b"\n").map_err(|e| e.to_string())
}

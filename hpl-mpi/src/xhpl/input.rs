//! The parameters of the run: from HPL.dat or from the command line, found out on rank 0, known to all.

use std::path::Path;

use hpl_mpi::comm::{Comm, broadcast_bytes};
use hpl_spec::advice::{block_size_on, squarest_grid};
use hpl_spec::dat::{DatError, Output, Sweep};
use hpl_spec::netlib;
use hpl_spec::params::RunParams;

use crate::args::Args;
use crate::sink::{Named, Sinks};

/// netlib's usual threshold, for runs without a file.
pub const THRESHOLD: f64 = 16.0;

/// The sweep, and on rank 0 where its results go. `nb` is the block size of the profile, for runs without a file.
///
/// # Errors
/// On every rank; on rank 0 with what is to be said, elsewhere empty.
pub fn sweep<C: Comm>(world: &C, args: &Args, nb: Option<usize>) -> Result<(Sweep, Option<Sinks>), String> {
    let mut sinks = None;
    let found = (world.rank() == 0).then(|| {
        read(args, world.size(), nb).and_then(|sweep| {
            sinks = Some(open(args, &sweep.output)?);
            Ok(sweep)
        })
    });
    Ok((share(world, found)?, sinks))
}

/// Opens the places that the options and `output` name, on rank 0.
///
/// # Errors
/// What is to be said.
pub fn open(args: &Args, output: &Output) -> Result<Sinks, String> {
    let Args { json, events, trace, tee, .. } = args;
    let named = Named { json: json.as_deref(), events: events.as_deref(), trace: trace.as_deref() };
    Sinks::open(output, *tee, &named)
}

/// The sweep that rank 0 found, on all ranks. Collective.
///
/// # Errors
/// Where rank 0 found an error: on rank 0 with what is to be said, elsewhere empty.
pub fn share<C: Comm>(world: &C, found: Option<Result<Sweep, String>>) -> Result<Sweep, String> {
    // One byte says how it went, then come the parameters.
    let message = found.as_ref().map(|found| match found {
        Ok(sweep) => [b"+", serde_json::to_vec(sweep).expect("a sweep is plain data").as_slice()].concat(),
        Err(_) => b"-".to_vec(),
    });
    let message = broadcast_bytes(world, message.as_deref(), 0);
    match found {
        Some(found) => found,
        None => match message.split_first() {
            Some((b'+', json)) => Ok(serde_json::from_slice(json).expect("rank 0 wrote it")),
            _ => Err(String::new()),
        },
    }
}

fn read(args: &Args, ranks: usize, nb: Option<usize>) -> Result<Sweep, String> {
    if let Some(n) = args.n {
        return from_options(args, n, ranks, nb);
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

fn from_options(args: &Args, n: usize, ranks: usize, profiled: Option<usize>) -> Result<Sweep, String> {
    let (p, q) = match (args.p, args.q) {
        (Some(p), Some(q)) => (p, q),
        (Some(p), None) => (p, (ranks / p.max(1)).max(1)),
        (None, Some(q)) => ((ranks / q.max(1)).max(1), q),
        (None, None) => squarest_grid(ranks),
    };
    let nb = args.nb.unwrap_or(block_size_on(n, profiled));
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

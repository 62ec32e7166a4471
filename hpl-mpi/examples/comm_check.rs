//! Checks the communication layer over MPI: `mpirun -np 4 comm_check`. Prints one line that starts
//! with `ok` at rank 0, and aborts the job if anything is wrong. With the argument `mismatch`, rank
//! 0 sends rank 1 a message that is too long, to show how that ends.

#[path = "../tests/checks/mod.rs"]
mod checks;

use std::time::Instant;

use hpl_mpi::comm::mpi::{MpiComm, MpiWorld, library_version};
use hpl_mpi::comm::{Buf, Comm, Reduce, add, barrier, wait};

const LARGE: usize = 3_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mpi = MpiWorld::init()?;
    let world = mpi.world();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    let node = world.split_node();
    world.wait_policy().set_oversubscribed(node.size() > cores);
    if std::env::args().nth(1).as_deref() == Some("mismatch") {
        mismatch(&world);
    }
    checks::everything(&world);
    checks::everything(&node);
    checks::ring_of_shared_forwards(&world, LARGE);
    let in_parts = mpi.world_in_parts(7);
    checks::everything(&in_parts);
    checks::ring_of_shared_forwards(&in_parts, 100);
    let checked = start.elapsed().as_secs_f64();
    let reduction = reduction(&world);
    let (short, large) = (round_trip(&world, 1, 2000), round_trip(&world, LARGE, 5));
    if world.rank() == 0 {
        println!(
            "ok: {} ranks, {} on this node, checks {checked:.3} s, all_reduce of 100 doubles {reduction:.2} us, \
             round trip of 1 double {short:.2} us, of {LARGE} {large:.0} us; {}",
            world.size(),
            node.size(),
            library_version()
        );
    }
    Ok(())
}

/// Microseconds for an `all_reduce` of 100 doubles.
fn reduction(comm: &MpiComm) -> f64 {
    const TURNS: usize = 500;
    let mut reduce = Reduce::new(100);
    let mut buf = Buf::from_slice(&[1.0; 100]);
    barrier(comm);
    let start = Instant::now();
    for _ in 0..TURNS {
        buf = reduce.all_reduce(comm, buf, 1, add);
    }
    start.elapsed().as_secs_f64() / TURNS as f64 * 1e6
}

/// Microseconds that `len` doubles need from rank 0 to rank 1 and back.
fn round_trip(comm: &MpiComm, len: usize, turns: usize) -> f64 {
    let mut buf = Buf::zeroed(len).expect("memory for a message");
    barrier(comm);
    let start = Instant::now();
    for _ in 0..if comm.size() > 1 { turns } else { 0 } {
        buf = match comm.rank() {
            0 => wait(comm, comm.start_recv(1, 2, wait(comm, comm.start_send(1, 1, buf)))),
            1 => wait(comm, comm.start_send(0, 2, wait(comm, comm.start_recv(0, 1, buf)))),
            _ => buf,
        };
    }
    let time = start.elapsed().as_secs_f64() / turns as f64 * 1e6;
    barrier(comm);
    time
}

fn mismatch(comm: &MpiComm) {
    let len = if std::env::args().nth(2).is_some() { 2 } else { 5 };
    match comm.rank() {
        0 => drop(wait(comm, comm.start_send(1, 17, Buf::from_slice(&vec![0.0; len])))),
        1 => drop(wait(comm, comm.start_recv(0, 17, Buf::from_slice(&[0.0; 4])))),
        _ => {}
    }
    barrier(comm);
}

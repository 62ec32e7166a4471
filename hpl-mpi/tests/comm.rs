//! The communication layer on threads, in both send modes.

mod checks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hpl_mpi::comm::thread::{SendMode, ThreadComm};
use hpl_mpi::comm::{Buf, Comm, Reduce, add, barrier, wait, wait_until};

const MODES: [SendMode; 2] = [SendMode::Eager, SendMode::Rendezvous];

/// What the panic of `body` says.
fn panic_of(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("a panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("text")).to_owned(),
    }
}

fn zeros(len: usize) -> Buf {
    Buf::zeroed(len).unwrap()
}

#[test]
fn everything_on_one_to_nine_ranks() {
    for mode in MODES {
        for ranks in 1..=9 {
            ThreadComm::run(ranks, mode, |comm| checks::everything(&comm));
        }
    }
    checks::everything(&ThreadComm::solo());
}

#[test]
fn many_ranks_and_long_messages() {
    for mode in MODES {
        ThreadComm::run(49, mode, |comm| checks::everything(&comm));
        ThreadComm::run(3, mode, |comm| checks::ring_of_shared_forwards(&comm, 1_000_000));
    }
}

#[test]
fn a_node_holds_all_threads() {
    let ranks = ThreadComm::run(4, SendMode::Eager, |comm| {
        let node = comm.split_node();
        checks::everything(&node);
        (node.rank(), node.size())
    });
    assert_eq!(ranks, [(0, 4), (1, 4), (2, 4), (3, 4)]);
}

#[test]
fn a_barrier_holds_everyone_back() {
    for ranks in 1..=9 {
        let entered = AtomicUsize::new(0);
        ThreadComm::run(ranks, SendMode::Eager, |comm| {
            for turn in 1..=20 {
                entered.fetch_add(1, Ordering::SeqCst);
                barrier(&comm);
                assert!(entered.load(Ordering::SeqCst) >= turn * ranks);
                barrier(&comm);
            }
        });
    }
}

#[test]
fn a_rendezvous_send_waits_for_its_receive() {
    for mode in MODES {
        let received = AtomicUsize::new(0);
        ThreadComm::run(2, mode, |comm| {
            if comm.rank() == 1 {
                std::thread::sleep(Duration::from_millis(20));
                received.store(1, Ordering::SeqCst);
                return wait(&comm, comm.start_recv(0, 1, zeros(1)))[0];
            }
            let mut buf = wait(&comm, comm.start_send(1, 1, Buf::from_slice(&[5.0])));
            // Only a copy of an eager message can be under way now.
            buf.as_mut()[0] = 6.0;
            assert!(mode == SendMode::Eager || received.load(Ordering::SeqCst) == 1);
            5.0
        })
        .iter()
        .for_each(|&value| assert_eq!(value, 5.0));
    }
}

#[test]
fn a_rank_that_panics_ends_all_waits() {
    for mode in MODES {
        let told = std::sync::Mutex::new(Vec::new());
        let start = Instant::now();
        let first = panic_of(|| {
            ThreadComm::run(4, mode, |comm| {
                if comm.rank() == 2 {
                    panic!("the pivot is lost");
                }
                let text = panic_of(|| drop(wait(&comm, comm.start_recv((comm.rank() + 1) % 4, 1, zeros(1)))));
                told.lock().unwrap().push(text.clone());
                panic!("{text}");
            });
        });
        assert_eq!(first, "the pivot is lost");
        let told = told.into_inner().unwrap();
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|text| text.contains("rank 2 of this run has panicked")), "{told:?}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn waiting_for_a_rank_that_has_returned_panics() {
    let text = panic_of(|| {
        ThreadComm::run(2, SendMode::Eager, |comm| {
            if comm.rank() == 0 {
                wait(&comm, comm.start_recv(1, 3, zeros(1)));
            }
        });
    });
    assert_eq!(text, "rank 0 waits for the receive of 1 doubles from rank 1, tag 3, which has returned");
}

#[test]
fn a_message_of_another_length_panics_at_its_receiver() {
    for mode in MODES {
        for receiver_first in [false, true] {
            let text = panic_of(|| {
                ThreadComm::run(2, mode, |comm| {
                    if receiver_first == (comm.rank() == 0) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    if comm.rank() == 0 {
                        wait(&comm, comm.start_send(1, 17, zeros(3)));
                        barrier(&comm);
                    } else {
                        wait(&comm, comm.start_recv(0, 17, zeros(4)));
                    }
                });
            });
            assert_eq!(text, "rank 1 expected 4 doubles from rank 0, tag 17, but 3 came");
        }
    }
}

#[test]
fn what_is_left_over_is_found() {
    let unread = panic_of(|| {
        ThreadComm::run(2, SendMode::Eager, |comm| {
            if comm.rank() == 0 {
                wait(&comm, comm.start_send(1, 4, zeros(2)));
            }
        });
    });
    assert_eq!(unread, "rank 1 never received 2 doubles from rank 0, tag 4");
    let unfinished = panic_of(|| {
        ThreadComm::run(2, SendMode::Rendezvous, |comm| {
            if comm.rank() == 0 {
                let _ = comm.start_recv(1, 4, zeros(2));
            }
        });
    });
    assert_eq!(unfinished, "rank 0 ended without finishing the receive of 2 doubles from rank 1, tag 4 (1 such)");
}

#[test]
fn stall_and_cancel_end_a_wait() {
    let silent = |comm: &ThreadComm| drop(wait(comm, comm.start_recv(0, 2, zeros(1))));
    for oversubscribed in [true, false] {
        let comm = ThreadComm::solo();
        comm.wait_policy().set_oversubscribed(oversubscribed);
        comm.wait_policy().set_stall_limit(Some(Duration::from_millis(30)));
        let text = panic_of(|| silent(&comm));
        assert!(text.starts_with("stalled: rank 0 waited 0.0 s for the receive of 1 doubles from rank 0, tag 2"));
        comm.wait_policy().set_stall_limit(None);
        let policy = comm.wait_policy().clone();
        let watcher = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            policy.cancel();
        });
        assert!(panic_of(|| silent(&comm)).starts_with("cancelled: rank 0 waited for the receive"));
        watcher.join().unwrap();
    }
}

#[test]
fn misuse_panics() {
    let comm = ThreadComm::solo();
    let to_nobody = panic_of(|| drop(comm.start_send(1, 0, zeros(1))));
    assert_eq!(to_nobody, "the send of 1 doubles to rank 1, tag 0: there are 1 ranks");
    assert!(panic_of(|| drop(comm.start_send(0, 40_000, zeros(1)))).contains("the largest tag is 32767"));
    let shared = zeros(1);
    assert!(panic_of(|| drop(comm.start_recv(0, 0, shared.share()))).ends_with("its buffer is shared"));
    let mut ticket = comm.start_send(0, 0, shared);
    wait_until(&comm, || "the send".to_owned(), || comm.poll(&mut ticket));
    assert!(panic_of(|| drop(comm.poll(&mut ticket))).ends_with("was done before"));
}

#[test]
fn a_reduction_keeps_its_memory() {
    ThreadComm::run(6, SendMode::Rendezvous, |comm| {
        let mut reduce = Reduce::new(100);
        let mut buf = zeros(100);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..50 {
            buf = reduce.all_reduce(&comm, buf, 1, add);
            seen.insert(buf.as_ptr().addr());
        }
        assert!(seen.len() <= 2, "{} buffers", seen.len());
    });
}

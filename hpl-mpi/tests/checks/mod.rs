//! What holds on every communicator: checked on threads by `tests/comm.rs`, over MPI by
//! `examples/comm_check.rs`. Each check is collective and asserts on every rank.

use hpl_mpi::comm::{Buf, Comm, Reduce, add, barrier, broadcast, broadcast_bytes, max_all, sum_all, wait, wait_until};

/// All checks that need no particular communicator.
pub fn everything<C: Comm>(comm: &C) {
    reductions_have_the_same_bits(comm);
    reductions_keep_the_order_of_ranks(comm);
    maxima_and_sums(comm);
    broadcasts(comm);
    bytes(comm);
    ring_of_shared_forwards(comm, 1000);
    messages_do_not_overtake(comm);
    messages_to_oneself(comm);
    splits(comm);
    barrier(comm);
}

fn send<C: Comm>(comm: &C, to: usize, tag: u32, values: &[f64]) -> C::Ticket {
    comm.start_send(to, tag, Buf::from_slice(values))
}

fn recv<C: Comm>(comm: &C, from: usize, tag: u32, len: usize) -> Buf {
    wait(comm, comm.start_recv(from, tag, Buf::zeroed(len).unwrap()))
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Values whose sum depends on the order of additions.
fn rough(rank: usize, len: usize) -> Vec<f64> {
    let value = |i: usize| (0.1 + rank as f64).powi(7 - (i as i32 * 3 + rank as i32) % 14) / 3.0;
    (0..len).map(|i| if (rank + i).is_multiple_of(2) { value(i) } else { -value(i) }).collect()
}

fn reductions_have_the_same_bits<C: Comm>(comm: &C) {
    let mut reduce = Reduce::new(4);
    for len in [0, 1, 5, 64, 3] {
        let mine = rough(comm.rank(), len);
        let all = reduce.all_reduce(comm, Buf::from_slice(&mine), 5, add);
        let of_root = broadcast(comm, Buf::from_slice(&all), comm.size() - 1, 6);
        assert_eq!(bits(&all), bits(&of_root));
        for (i, found) in all.iter().enumerate() {
            let values = (0..comm.size()).map(|rank| rough(rank, len)[i]);
            let (sum, size) = values.fold((0.0, 0.0), |(sum, size), v| (sum + v, size + v.abs()));
            assert!((sum - found).abs() <= 1e-15 * size * comm.size() as f64);
        }
    }
}

/// x -> a x + b: composing such functions is associative and not commutative.
fn compose(lower: &mut [f64], higher: &[f64]) {
    let ([a, b], [c, d]) = ([lower[0], lower[1]], [higher[0], higher[1]]);
    lower.copy_from_slice(&[c * a, c * b + d]);
}

fn reductions_keep_the_order_of_ranks<C: Comm>(comm: &C) {
    let size = comm.size();
    let of = |rank: usize| [(rank % 3 + 1) as f64, (rank + 1) as f64];
    let from = |root: usize| {
        let mut all = [1.0, 0.0];
        (0..size).for_each(|place| compose(&mut all, &of((root + place) % size)));
        all
    };
    let mut reduce = Reduce::default();
    let all = reduce.all_reduce(comm, Buf::from_slice(&of(comm.rank())), 7, compose);
    assert_eq!(all[..], from(0));
    for root in 0..size {
        let there = reduce.reduce_to(comm, Buf::from_slice(&of(comm.rank())), root, 7, compose);
        assert!(comm.rank() != root || there[..] == from(root));
    }
}

fn maxima_and_sums<C: Comm>(comm: &C) {
    let (me, size) = (comm.rank() as f64, comm.size() as f64);
    let odd_one = if comm.rank() == comm.size() / 2 { f64::NAN } else { 1.0 };
    let mut values = [me, -me, odd_one, f64::NEG_INFINITY];
    max_all(comm, &mut values);
    assert_eq!(values[..2], [size - 1.0, 0.0]);
    assert!(values[2].is_nan() && values[3] == f64::NEG_INFINITY);
    let mut values = [me, 1.0];
    sum_all(comm, &mut values);
    assert_eq!(values, [size * (size - 1.0) / 2.0, size]);
}

fn broadcasts<C: Comm>(comm: &C) {
    for root in 0..comm.size() {
        for len in [0, 1, 10] {
            let told = rough(root + 1, len);
            let mine = if comm.rank() == root { told.clone() } else { vec![f64::NAN; len] };
            let mut buf = broadcast(comm, Buf::from_slice(&mine), root, 8);
            assert_eq!(bits(&buf), bits(&told));
            buf.as_mut().fill(0.0);
        }
    }
}

fn bytes<C: Comm>(comm: &C) {
    // The pattern of a signalling NaN among them: it must not turn into a quiet one.
    let mut all = f64::from_bits(0x7ff0_0000_0000_0001).to_ne_bytes().to_vec();
    all.extend((0..1000_u32).map(|i| (i * 7 % 256) as u8));
    for (root, len) in [0, 1, 7, 8, 9, 1008].into_iter().enumerate().map(|(i, len)| (i % comm.size(), len)) {
        let told = (comm.rank() == root).then_some(&all[..len]);
        assert_eq!(broadcast_bytes(comm, told, root), all[..len]);
    }
}

/// Each rank hands on what it received while it still reads it; rank 0 gets it back.
pub fn ring_of_shared_forwards<C: Comm>(comm: &C, len: usize) {
    let (me, size) = (comm.rank(), comm.size());
    let (next, last) = ((me + 1) % size, (me + size - 1) % size);
    let message: Vec<f64> = (0..len).map(|i| i as f64).collect();
    let mut buf = if me == 0 { Buf::from_slice(&message) } else { recv(comm, last, 9, len) };
    let mut forward = comm.start_send(next, 9, buf.share());
    assert_eq!(buf[..], message);
    assert!(buf.is_shared());
    if me == 0 {
        assert_eq!(recv(comm, last, 9, len)[..], message);
    }
    drop(wait_until(comm, || "the forward".to_owned(), || comm.poll(&mut forward)));
    buf.as_mut().fill(-1.0);
}

fn messages_do_not_overtake<C: Comm>(comm: &C) {
    let (me, size) = (comm.rank(), comm.size());
    let (next, last) = ((me + 1) % size, (me + size - 1) % size);
    let value = |from: usize, tag: u32, turn: usize| vec![(from * 1000 + turn) as f64 + f64::from(tag) / 8.0; turn % 4];
    let mut sends = Vec::new();
    for turn in 0..20 {
        for tag in [1, 2] {
            sends.push(send(comm, next, tag, &value(me, tag, turn)));
        }
    }
    // The later tag first, and half of the receives at once.
    let start = |tag, turn: usize| comm.start_recv(last, tag, Buf::zeroed(turn % 4).unwrap());
    for tag in [2, 1] {
        let early: Vec<_> = (0..10).map(|turn| start(tag, turn)).collect();
        let late: Vec<_> = (10..20).map(|turn| start(tag, turn)).collect();
        for (turn, ticket) in early.into_iter().chain(late).enumerate() {
            assert_eq!(wait(comm, ticket)[..], value(last, tag, turn));
        }
    }
    for ticket in sends {
        wait(comm, ticket);
    }
}

fn messages_to_oneself<C: Comm>(comm: &C) {
    let me = comm.rank();
    let first = send(comm, me, 3, &[1.0]);
    let second = comm.start_recv(me, 4, Buf::zeroed(2).unwrap());
    assert_eq!(recv(comm, me, 3, 1)[..], [1.0]);
    wait(comm, send(comm, me, 4, &[2.0, 3.0]));
    assert_eq!(wait(comm, second)[..], [2.0, 3.0]);
    wait(comm, first);
}

fn splits<C: Comm>(comm: &C) {
    let (me, size) = (comm.rank(), comm.size());
    // Even and odd ranks, in reverse; the last rank stays out.
    let color = (me + 1 < size).then_some(me % 2);
    let Some(half) = comm.split(color, size - me) else {
        assert_eq!(me + 1, size);
        return;
    };
    let members: Vec<usize> = (0..size - 1).rev().filter(|rank| rank % 2 == me % 2).collect();
    assert_eq!((half.size(), members[half.rank()]), (members.len(), me));
    let mut sum = [me as f64];
    sum_all(&half, &mut sum);
    assert_eq!(sum[0], members.iter().sum::<usize>() as f64);
    // Equal peer and tag on two communicators are two things.
    let twin = half.split(Some(7), 0).unwrap();
    assert_eq!((twin.rank(), twin.size()), (half.rank(), half.size()));
    let (next, last) = ((half.rank() + 1) % half.size(), (half.rank() + half.size() - 1) % half.size());
    let sends = [send(&half, next, 1, &[1.0]), send(&twin, next, 1, &[2.0])];
    assert_eq!(recv(&twin, last, 1, 1)[..], [2.0]);
    assert_eq!(recv(&half, last, 1, 1)[..], [1.0]);
    let [first, second] = sends;
    wait(&half, first);
    wait(&twin, second);
}

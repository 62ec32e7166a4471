//! The network between a daemon and its service, to be spoilt: a small relay that can hold what is said, cut it off,
//! keep the answers back, or say everything twice.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// They arrive.
    Well,
    /// They are under way until the net is well again, as packets that are sent again and again.
    Held,
    /// Every connection ends, new ones too.
    Cut,
    /// Calls arrive, answers do not; the connection ends with the first of them.
    Deaf,
    /// They arrive late by this.
    Slow(Duration),
    /// Every call arrives twice; the answers to the copies reach nobody.
    Twice,
}

/// When the net is to change by itself.
struct Trap {
    says: &'static [u8],
    /// Whether what was said still arrives.
    arrives: bool,
    then: Net,
}

struct State {
    net: Mutex<Net>,
    trap: Mutex<Option<Trap>>,
    sprung: AtomicBool,
    over: AtomicBool,
}

/// A relay; it ends when dropped.
pub struct Relay {
    pub port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// A relay to a port of this machine.
    pub fn to(port: u16) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(State {
            net: Mutex::new(Net::Well),
            trap: Mutex::new(None),
            sprung: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let ours = state.clone();
        let own = listener.local_addr().unwrap().port();
        let thread = spawn(move || {
            while !ours.over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((from, _)) => {
                        let state = ours.clone();
                        spawn(move || carry(&state, from, port));
                    }
                    Err(_) => sleep(Duration::from_millis(5)),
                }
            }
        });
        Relay { port: own, state, thread: Some(thread) }
    }

    pub fn set(&self, net: Net) {
        *self.state.net.lock().unwrap() = net;
    }

    /// As soon as a call holds these bytes, which still arrive or not, the net becomes `then`.
    pub fn when(&self, says: &'static str, arrives: bool, then: Net) {
        self.state.sprung.store(false, Ordering::Relaxed);
        *self.state.trap.lock().unwrap() = Some(Trap { says: says.as_bytes(), arrives, then });
    }

    /// Whether what [`Relay::when`] waits for was said.
    pub fn sprung(&self) -> bool {
        self.state.sprung.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn net(&self) -> Net {
        *self.net.lock().unwrap()
    }

    /// Whether bytes may go on; waits while they are held. False: the connection is over.
    fn passes(&self, answer: bool) -> bool {
        loop {
            match self.net() {
                _ if self.over.load(Ordering::Relaxed) => return false,
                Net::Cut => return false,
                Net::Deaf if answer => return false,
                Net::Held => sleep(Duration::from_millis(10)),
                Net::Slow(late) => {
                    sleep(late);
                    return true;
                }
                Net::Well | Net::Twice | Net::Deaf => return true,
            }
        }
    }

    /// Looks whether the trap springs; if so, whether the bytes that made it do so arrive.
    fn listen(&self, said: &[u8]) -> Option<bool> {
        let mut trap = self.trap.lock().unwrap();
        let hit = |trap: &mut Trap| said.windows(trap.says.len()).any(|w| w == trap.says);
        let trap = trap.take_if(hit)?;
        *self.net.lock().unwrap() = trap.then;
        self.sprung.store(true, Ordering::Relaxed);
        Some(trap.arrives)
    }
}

/// One connection, from its first byte to its last.
fn carry(state: &Arc<State>, from: TcpStream, port: u16) {
    if !state.passes(false) {
        return;
    }
    let Ok(to) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let copy = (state.net() == Net::Twice).then(|| TcpStream::connect(("127.0.0.1", port)).ok()).flatten();
    for stream in [&from, &to] {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_nodelay(true);
    }
    if let Some(mut copy) = copy.as_ref().and_then(|c| c.try_clone().ok()) {
        // The answers to the copies are read, so that the service can write them.
        spawn(move || std::io::copy(&mut copy, &mut std::io::sink()));
    }
    let (back_from, back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
    let theirs = state.clone();
    let back = spawn(move || pipe(&theirs, back_from, back_to, None));
    pipe_calls(state, from, to, copy);
    let _ = back.join();
}

fn pipe_calls(state: &State, from: TcpStream, to: TcpStream, copy: Option<TcpStream>) {
    let (one, other) = (from.try_clone(), to.try_clone());
    pipe(state, from, to, Some(copy));
    for stream in [one, other].into_iter().flatten() {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// `calls` is set in the direction to the service, with the connection of the copies if there is one.
fn pipe(state: &State, mut from: TcpStream, mut to: TcpStream, mut calls: Option<Option<TcpStream>>) {
    let mut bytes = vec![0; 256 << 10];
    // The end of what was said before: what is waited for may be cut in two.
    let mut tail: Vec<u8> = vec![];
    loop {
        if state.over.load(Ordering::Relaxed) || state.net() == Net::Cut {
            break;
        }
        let n = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        let mut sprung = None;
        if calls.is_some() {
            tail.extend_from_slice(&bytes[..n]);
            sprung = state.listen(&tail);
            let keep = tail.len().saturating_sub(200);
            tail.drain(..keep);
        }
        if !sprung.unwrap_or_else(|| state.passes(calls.is_none())) || to.write_all(&bytes[..n]).is_err() {
            break;
        }
        if let Some(Some(copy)) = &mut calls {
            let _ = copy.write_all(&bytes[..n]);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
    if let Some(Some(copy)) = calls {
        let _ = copy.shutdown(Shutdown::Write);
    }
}

//! How many streams may be open, in all and for one caller.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Code, Error, Result};
use crate::http::caller::Caller;
use crate::limits::network;

/// Streams that may be open at a time.
const MOST: usize = 4000;
/// Streams of one user from one network (an address; of IPv6 a /64).
const MOST_EACH: usize = 16;
/// Seconds after which to try again.
const AGAIN_S: u32 = 10;

type Whose = (Option<i64>, IpAddr);

#[derive(Debug, Default)]
struct Open {
    all: usize,
    each: HashMap<Whose, usize>,
}

/// The open streams.
#[derive(Debug, Default)]
pub struct Streams(Mutex<Open>);

/// The place of one stream; given back when dropped.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    whose: Whose,
}

impl Streams {
    /// A place for one more stream of the caller; `limited` is false where only the total counts.
    ///
    /// # Errors
    /// 429 if the caller has too many, 503 if all have.
    pub fn take(self: &Arc<Self>, caller: &Caller, limited: bool) -> Result<Place> {
        let whose = (caller.key(), network(caller.address));
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= MOST {
            let detail = format!("{MOST} streams are open, as many as the service holds; come again later");
            return Err(Error::new(Code::Unavailable, detail).retry_after(AGAIN_S));
        }
        let each = open.each.get(&whose).copied().unwrap_or(0);
        if limited && each >= MOST_EACH {
            let detail = format!("you have {each} streams open, at most {MOST_EACH} are allowed; close some of them");
            return Err(Error::new(Code::RateLimited, detail).with("limit", MOST_EACH).retry_after(AGAIN_S));
        }
        open.all += 1;
        open.each.insert(whose, each + 1);
        Ok(Place { streams: self.clone(), whose })
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(each) = open.each.get_mut(&self.whose) {
            *each -= 1;
            if *each == 0 {
                open.each.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Caller {
        Caller { user: None, address: IpAddr::from([192, 0, 2, last]) }
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let streams = Arc::new(Streams::default());
        let mut mine: Vec<_> = (0..MOST_EACH).map(|_| streams.take(&from(1), true).unwrap()).collect();
        let refused = streams.take(&from(1), true).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimited, Some(AGAIN_S)));
        drop(streams.take(&from(2), true).unwrap());
        mine.pop();
        mine.push(streams.take(&from(1), true).unwrap());
        let others: Vec<_> = (MOST_EACH..MOST).map(|_| streams.take(&from(1), false).unwrap()).collect();
        assert_eq!(streams.take(&from(3), false).unwrap_err().code, Code::Unavailable);
        drop((mine, others));
        assert_eq!(streams.open(), 0);
        assert!(streams.0.lock().unwrap().each.is_empty());
    }
}

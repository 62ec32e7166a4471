//! How many connections there may be: in all, and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The places for connections.
#[derive(Debug, Clone)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_each: usize,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    taken: Arc<Mutex<Taken>>,
    network: Option<IpAddr>,
}

impl Places {
    /// `most` places in all, `most_each` for one network.
    #[must_use]
    pub fn new(most: usize, most_each: usize) -> Places {
        Places { taken: Arc::default(), most, most_each }
    }

    /// Takes a place for a connection from this network; with `None` only the total counts. `None` if there is
    /// no place.
    #[must_use]
    pub fn take(&self, network: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= self.most {
            return None;
        }
        if let Some(network) = network {
            let here = taken.by_network.entry(network).or_default();
            if *here >= self.most_each {
                return None;
            }
            *here += 1;
        }
        taken.total += 1;
        Some(Place { taken: self.taken.clone(), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(network) = self.network
            && let Some(here) = taken.by_network.get_mut(&network)
        {
            *here -= 1;
            if *here == 0 {
                taken.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_by_network_and_come_back() {
        let places = Places::new(4, 2);
        let (a, b) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let first = places.take(a).unwrap();
        let _second = places.take(a).unwrap();
        assert!(places.take(a).is_none(), "two from one network");
        let _third = places.take(b).unwrap();
        let fourth = places.take(None).unwrap();
        assert!(places.take(b).is_none(), "four in all");
        drop(fourth);
        drop(first);
        let again = places.take(a).unwrap();
        let _fourth = places.take(None).unwrap();
        assert!(places.take(None).is_none());
        drop(again);
        let taken = places.taken.lock().unwrap();
        assert_eq!((taken.total, taken.by_network.len()), (3, 2));
    }

    #[test]
    fn networks_without_connections_take_no_memory() {
        let places = Places::new(usize::MAX, 0);
        assert!(places.take(Some(IpAddr::from([192, 0, 2, 1]))).is_none());
        let places = Places::new(10, 1);
        drop(places.take(Some(IpAddr::from([192, 0, 2, 1]))));
        assert!(places.taken.lock().unwrap().by_network.is_empty());
    }
}

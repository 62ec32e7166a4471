//! The modified increasing ring (1ringM): the root sends to its right neighbour, which goes on at once
//! with the next panel and forwards nothing, and to the one after it, from which a ring passes through
//! the rest.

/// From which place does `place` receive? (The root receives from nobody; it gets itself.)
pub fn source(place: usize) -> usize {
    match place {
        0..=2 => 0,
        _ => place - 1,
    }
}

/// To which places does `place` send, in order, in a row of `q`?
pub fn targets(place: usize, q: usize) -> impl Iterator<Item = usize> {
    let targets = match place {
        0 => 1..3,
        1 => 0..0,
        _ => place + 1..place + 2,
    };
    targets.filter(move |&t| t < q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_are_those_of_netlib() {
        let sends = |q: usize| (0..q).map(|place| targets(place, q).collect::<Vec<_>>()).collect::<Vec<_>>();
        assert_eq!(sends(1), [Vec::<usize>::new()]);
        assert_eq!(sends(2), [vec![1], vec![]]);
        assert_eq!(sends(5), [vec![1, 2], vec![], vec![3], vec![4], vec![]]);
    }

    #[test]
    fn every_place_is_served_once_by_its_source() {
        for q in 1..=32 {
            let mut served = vec![0; q];
            for place in 0..q {
                for to in targets(place, q) {
                    assert_eq!(source(to), place);
                    served[to] += 1;
                }
            }
            assert!(served[1..].iter().all(|&n| n == 1) && served[0] == 0);
        }
    }
}

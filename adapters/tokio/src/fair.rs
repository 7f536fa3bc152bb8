//! A bounded queue that serves networks in turn, so that nobody waits for what another network has queued up.
//!
//! It has two levels: sites take turns, and within a site its subnets do, as [`Network`] tells them apart. Whoever
//! waits is overtaken by one of each other network at most. A full queue makes room for a network that has less
//! than the fullest one, at the expense of the newest of the latter: who is below an equal share is never refused.
//! Every operation takes logarithmic time.

use std::collections::{BTreeMap, BTreeSet};

use crate::network::{Network, Site};

/// What waits, by network.
pub(crate) struct Queue<T> {
    sites: Members<Site, Members<u16, BTreeMap<u64, T>>>,
    capacity: usize,
    length: usize,
    /// Numbers everything that comes, and the turns.
    next: u64,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ticket {
    network: Network,
    number: u64,
}

/// What became of a newcomer.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Pushed<T> {
    /// It waits.
    Waits(Ticket),
    /// It waits, in place of this one, which is to be refused.
    Displaced(Ticket, T),
    /// There is no room for it: its network holds as much as any.
    Refused(T),
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            sites: Members::default(),
            capacity,
            length: 0,
            next: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a newcomer behind all others of its network.
    pub(crate) fn push(&mut self, network: Network, newcomer: T) -> Pushed<T> {
        if self.length < self.capacity {
            return Pushed::Waits(self.add(network, newcomer));
        }
        let Some(displaced) = self.displaced_by(network) else {
            return Pushed::Refused(newcomer);
        };
        match self.remove(displaced) {
            Some(displaced) => Pushed::Displaced(self.add(network, newcomer), displaced),
            None => Pushed::Refused(newcomer),
        }
    }

    /// Takes what is next in turn.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let site = self.sites.first()?;
        let subnets = self.sites.get(site)?;
        let subnet = subnets.first()?;
        let number = *subnets.get(subnet)?.first_key_value()?.0;
        let network = Network { site, subnet };
        let turn = self.count();
        if let Some(subnets) = self.sites.get_mut(site) {
            subnets.rotate(subnet, turn);
        }
        self.sites.rotate(site, turn);
        self.remove(Ticket { network, number })
    }

    /// Takes one out of its turn: it waits no longer.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let Network { site, subnet } = ticket.network;
        let subnets = self.sites.get_mut(site)?;
        let waiting = subnets.get_mut(subnet)?;
        let removed = waiting.remove(&ticket.number)?;
        subnets.shrink(subnet);
        self.sites.shrink(site);
        self.length -= 1;
        Some(removed)
    }

    fn add(&mut self, Network { site, subnet }: Network, newcomer: T) -> Ticket {
        let number = self.count();
        let subnets = self.sites.grow(site, number);
        subnets.grow(subnet, number).insert(number, newcomer);
        self.length += 1;
        Ticket {
            network: Network { site, subnet },
            number,
        }
    }

    /// Whom a newcomer of `network` may displace: the newest of the fullest subnet of the fullest site, or of its
    /// own site.
    fn displaced_by(&self, network: Network) -> Option<Ticket> {
        let (most, fullest) = self.sites.fullest()?;
        let site = if self.sites.size(network.site) < most {
            fullest
        } else {
            network.site
        };
        let subnets = self.sites.get(site)?;
        let (most, subnet) = subnets.fullest()?;
        if site == network.site && subnets.size(network.subnet) >= most {
            return None;
        }
        let number = *subnets.get(subnet)?.last_key_value()?.0;
        Some(Ticket {
            network: Network { site, subnet },
            number,
        })
    }

    fn count(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Those that share one level equally.
struct Members<K, Q> {
    all: BTreeMap<K, Member<Q>>,
    /// Who is next, who comes after, and so on.
    turns: BTreeMap<u64, K>,
    sizes: BTreeSet<(usize, K)>,
}

struct Member<Q> {
    queue: Q,
    size: usize,
    turn: u64,
}

impl<K, Q> Default for Members<K, Q> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            turns: BTreeMap::new(),
            sizes: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord, Q: Default> Members<K, Q> {
    fn get(&self, key: K) -> Option<&Q> {
        self.all.get(&key).map(|member| &member.queue)
    }

    fn get_mut(&mut self, key: K) -> Option<&mut Q> {
        self.all.get_mut(&key).map(|member| &mut member.queue)
    }

    fn size(&self, key: K) -> usize {
        self.all.get(&key).map_or(0, |member| member.size)
    }

    /// Whose turn it is.
    fn first(&self) -> Option<K> {
        self.turns.first_key_value().map(|(_, key)| *key)
    }

    /// Who holds most, and how much.
    fn fullest(&self) -> Option<(usize, K)> {
        self.sizes.last().copied()
    }

    /// One more; who had none comes last.
    fn grow(&mut self, key: K, turn: u64) -> &mut Q {
        let member = self.all.entry(key).or_insert_with(|| {
            self.turns.insert(turn, key);
            Member {
                queue: Q::default(),
                size: 0,
                turn,
            }
        });
        self.sizes.remove(&(member.size, key));
        member.size += 1;
        self.sizes.insert((member.size, key));
        &mut member.queue
    }

    /// One less.
    fn shrink(&mut self, key: K) {
        let Some(member) = self.all.get_mut(&key) else {
            return;
        };
        self.sizes.remove(&(member.size, key));
        member.size -= 1;
        if member.size > 0 {
            self.sizes.insert((member.size, key));
            return;
        }
        self.turns.remove(&member.turn);
        self.all.remove(&key);
    }

    /// It has had its turn.
    fn rotate(&mut self, key: K, turn: u64) {
        if let Some(member) = self.all.get_mut(&key) {
            self.turns.remove(&member.turn);
            member.turn = turn;
            self.turns.insert(turn, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    fn v6(site: u16, subnet: u16) -> Network {
        Network::of([0x2001, 0xdb8, site, subnet, 0, 0, 0, 1].into())
    }

    fn push(queue: &mut Queue<&'static str>, network: Network, all: &[&'static str]) {
        for one in all {
            assert!(matches!(queue.push(network, one), Pushed::Waits(_)));
        }
    }

    fn drained(queue: &mut Queue<&'static str>) -> String {
        let all: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert!(queue.is_empty());
        assert!(queue.sites.all.is_empty() && queue.sites.turns.is_empty());
        assert!(queue.sites.sizes.is_empty());
        all.join(" ")
    }

    #[test]
    fn one_network_is_served_as_it_came() {
        let mut queue = Queue::new(8);
        push(&mut queue, v4(1), &["a1", "a2", "a3"]);
        assert_eq!(drained(&mut queue), "a1 a2 a3");
    }

    #[test]
    fn networks_take_turns() {
        let mut queue = Queue::new(16);
        push(&mut queue, v4(1), &["a1", "a2", "a3", "a4"]);
        push(&mut queue, v4(2), &["b1", "b2"]);
        push(&mut queue, v4(3), &["c1"]);
        assert_eq!(drained(&mut queue), "a1 b1 c1 a2 b2 a3 a4");
    }

    #[test]
    fn a_newcomer_is_overtaken_once_by_each_other_network() {
        let mut queue = Queue::new(16);
        push(&mut queue, v4(1), &["a1", "a2", "a3", "a4"]);
        assert_eq!(queue.pop(), Some("a1"));
        push(&mut queue, v4(2), &["b1"]);
        assert_eq!(drained(&mut queue), "a2 b1 a3 a4");
    }

    #[test]
    fn a_48_has_one_share_however_many_64_it_uses() {
        let mut queue = Queue::new(16);
        push(&mut queue, v6(1, 1), &["a1", "a2"]);
        push(&mut queue, v6(1, 2), &["b1", "b2"]);
        push(&mut queue, v4(1), &["c1", "c2", "c3"]);
        assert_eq!(drained(&mut queue), "a1 c1 b1 c2 a2 c3 b2");
    }

    #[test]
    fn whoever_leaves_is_not_served_and_makes_room() {
        let mut queue = Queue::new(2);
        let Pushed::Waits(ticket) = queue.push(v4(1), "a1") else {
            panic!("there is room")
        };
        push(&mut queue, v4(1), &["a2"]);
        assert_eq!(queue.push(v4(1), "a3"), Pushed::Refused("a3"));
        assert_eq!(queue.remove(ticket), Some("a1"));
        assert_eq!(queue.remove(ticket), None);
        assert_eq!(queue.len(), 1);
        push(&mut queue, v4(2), &["b1"]);
        assert_eq!(drained(&mut queue), "a2 b1");
    }

    #[test]
    fn a_full_queue_refuses_the_newest_of_the_fullest_network() {
        let mut queue = Queue::new(4);
        push(&mut queue, v4(1), &["a1", "a2", "a3"]);
        push(&mut queue, v4(2), &["b1"]);
        assert_eq!(queue.push(v4(1), "a4"), Pushed::Refused("a4"));
        for (newcomer, expected) in [("b2", "a3"), ("b3", "")] {
            match queue.push(v4(2), newcomer) {
                Pushed::Displaced(_, displaced) => assert_eq!(displaced, expected),
                pushed => assert_eq!((pushed, expected), (Pushed::Refused(newcomer), "")),
            }
        }
        assert_eq!(queue.len(), 4);
        assert_eq!(drained(&mut queue), "a1 b1 a2 b2");
    }

    #[test]
    fn a_subnet_displaces_another_of_its_own_site() {
        let mut queue = Queue::new(4);
        push(&mut queue, v6(1, 1), &["a1", "a2", "a3", "a4"]);
        let Pushed::Displaced(_, "a4") = queue.push(v6(1, 2), "b1") else {
            panic!("the other subnet holds all")
        };
        let Pushed::Displaced(_, "a3") = queue.push(v6(1, 2), "b2") else {
            panic!("the other subnet holds more")
        };
        assert_eq!(queue.push(v6(1, 2), "b3"), Pushed::Refused("b3"));
        assert_eq!(drained(&mut queue), "a1 b1 a2 b2");
    }

    /// Over many schedules: nobody below an equal share is refused, and nobody waits for two of another network.
    #[test]
    fn a_share_is_a_share_whatever_the_others_do() {
        let mut random = 1_u64;
        let mut below = |bound: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % bound
        };
        let mut queue = Queue::new(40);
        let good = v4(0);
        let mut overtaken: Option<BTreeMap<Network, u32>> = None;
        for _ in 0..20_000 {
            for _ in 0..below(4) {
                let network = match below(6) {
                    host @ 0..3 => v4(u8::try_from(host + 1).unwrap()),
                    subnet => v6(1, u16::try_from(subnet * below(100)).unwrap()),
                };
                assert!(!matches!(
                    queue.push(network, network),
                    Pushed::Displaced(_, displaced) if displaced == good
                ));
            }
            if overtaken.is_none() && below(3) == 0 {
                let pushed = queue.push(good, good);
                assert!(!matches!(pushed, Pushed::Refused(_)));
                overtaken = Some(BTreeMap::new());
            }
            if below(2) == 0 {
                continue;
            }
            match (queue.pop(), &mut overtaken) {
                (Some(served), all) if served == good => *all = None,
                (Some(served), Some(by)) => {
                    let key = Network {
                        subnet: 0,
                        ..served
                    };
                    let times = by.entry(key).or_default();
                    *times += 1;
                    assert_eq!(*times, 1, "{served:?}");
                }
                _ => {}
            }
        }
    }
}

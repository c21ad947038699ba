//! The slots of a shelf. The slots with a parked item are linked into four lists, so that the next item to take is
//! found without a look at the others.

/// No slot has this index.
const NONE: usize = usize::MAX;

/// A list of parked items, ordered by the time at which they were parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Items that no session claims.
    Unclaimed,
    /// Items that a session claims.
    Claimed,
    /// Items that a session claims, and may ask about its last statement.
    AskedFor,
    /// Items that a session claims, with state that only this session may see: they must be reset for another.
    Unexplained,
}

impl List {
    /// All lists.
    pub const ALL: [List; 4] = [List::Unclaimed, List::Claimed, List::AskedFor, List::Unexplained];

    /// The lists of items that sessions claim, in the order in which the items are stolen. The first two have items that
    /// are explained.
    pub const CLAIMED: [List; 3] = [List::Claimed, List::AskedFor, List::Unexplained];
}

/// A parked item, and its neighbours in its list.
#[derive(Debug)]
pub struct Parked<P> {
    pub item: P,
    pub list: List,
    /// When the item was parked. No two items have the same time.
    pub at: u64,
    older: usize,
    newer: usize,
}

#[derive(Debug)]
struct Ends {
    oldest: usize,
    newest: usize,
}

/// Slots with a `T` each. A slot keeps its index.
#[derive(Debug)]
pub struct Slots<T, P> {
    all: Vec<(T, Option<Parked<P>>)>,
    unclaimed: Ends,
    claimed: Ends,
    asked_for: Ends,
    unexplained: Ends,
    /// The number of parked items.
    parked: usize,
}

impl<T, P> Default for Slots<T, P> {
    fn default() -> Self {
        let empty = || Ends { oldest: NONE, newest: NONE };
        Slots {
            all: Vec::new(),
            unclaimed: empty(),
            claimed: empty(),
            asked_for: empty(),
            unexplained: empty(),
            parked: 0,
        }
    }
}

impl<T, P> Slots<T, P> {
    /// Adds a slot, and returns its index.
    pub fn push(&mut self, slot: T) -> usize {
        self.all.push((slot, None));
        self.all.len() - 1
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter().map(|(slot, _)| slot)
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        self.all.get(index).map(|(slot, _)| slot)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.all.get_mut(index).map(|(slot, _)| slot)
    }

    /// Returns the number of parked items.
    pub fn parked(&self) -> usize {
        self.parked
    }

    /// Returns what is parked in this slot.
    pub fn parked_in(&self, index: usize) -> Option<&Parked<P>> {
        self.all.get(index)?.1.as_ref()
    }

    /// Returns the parked items of a list with their slots, from the oldest on.
    pub fn oldest_first(&self, list: List) -> impl Iterator<Item = (usize, &Parked<P>)> {
        self.walk(self.ends(list).oldest, |parked| parked.newer)
    }

    /// Returns the parked items of a list with their slots, from the newest on.
    pub fn newest_first(&self, list: List) -> impl Iterator<Item = (usize, &Parked<P>)> {
        self.walk(self.ends(list).newest, |parked| parked.older)
    }

    fn walk(
        &self,
        from: usize,
        next: impl Fn(&Parked<P>) -> usize,
    ) -> impl Iterator<Item = (usize, &Parked<P>)> {
        let at = move |index| self.parked_in(index).map(|parked| (index, parked));
        std::iter::successors(at(from), move |(_, parked)| at(next(parked)))
    }

    /// Parks an item in a slot. Drops the item that is parked there. Takes a step for each item of the list that was
    /// parked later: usually none, since sessions park at the present time.
    pub fn park(&mut self, index: usize, item: P, list: List, at: u64) {
        self.take(index);
        let (mut older, mut newer) = (self.ends(list).newest, NONE);
        while let Some(later) = self.parked_in(older).filter(|other| other.at > at) {
            (older, newer) = (later.older, older);
        }
        let Some((_, place)) = self.all.get_mut(index) else { return };
        *place = Some(Parked { item, list, at, older, newer });
        self.parked += 1;
        self.join(list, older, index);
        self.join(list, index, newer);
    }

    /// Moves the item parked in this slot to the list of unclaimed items. Takes a step for each item there that was
    /// parked later: few, since unclaimed items are taken first.
    pub fn unclaim(&mut self, index: usize) {
        if let Some(at) = self.parked_in(index).map(|parked| parked.at)
            && let Some(item) = self.take(index)
        {
            self.park(index, item, List::Unclaimed, at);
        }
    }

    /// Takes the item parked in this slot.
    pub fn take(&mut self, index: usize) -> Option<P> {
        let (_, place) = self.all.get_mut(index)?;
        let Parked { item, list, older, newer, .. } = place.take()?;
        self.parked -= 1;
        self.join(list, older, newer);
        Some(item)
    }

    fn ends(&self, list: List) -> &Ends {
        match list {
            List::Unclaimed => &self.unclaimed,
            List::Claimed => &self.claimed,
            List::AskedFor => &self.asked_for,
            List::Unexplained => &self.unexplained,
        }
    }

    fn ends_mut(&mut self, list: List) -> &mut Ends {
        match list {
            List::Unclaimed => &mut self.unclaimed,
            List::Claimed => &mut self.claimed,
            List::AskedFor => &mut self.asked_for,
            List::Unexplained => &mut self.unexplained,
        }
    }

    /// Makes two slots neighbours in a list. `NONE` stands for the end of the list.
    fn join(&mut self, list: List, older: usize, newer: usize) {
        match self.all.get_mut(older).and_then(|(_, parked)| parked.as_mut()) {
            Some(parked) => parked.newer = newer,
            None => self.ends_mut(list).oldest = newer,
        }
        match self.all.get_mut(newer).and_then(|(_, parked)| parked.as_mut()) {
            Some(parked) => parked.older = older,
            None => self.ends_mut(list).newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the items of a list from the oldest on, and checks that the other direction has the same items.
    fn items(slots: &Slots<(), char>, list: List) -> String {
        let forward: String = slots.oldest_first(list).map(|(_, parked)| parked.item).collect();
        let backward: String = slots.newest_first(list).map(|(_, parked)| parked.item).collect();
        assert_eq!(forward, backward.chars().rev().collect::<String>());
        forward
    }

    #[test]
    fn items_are_taken_from_anywhere_in_a_list() {
        let mut slots = Slots::default();
        for (at, item) in (1..).zip("abcde".chars()) {
            let index = slots.push(());
            slots.park(index, item, List::Claimed, at);
        }
        assert_eq!((slots.take(2), slots.take(0), slots.take(4)), (Some('c'), Some('a'), Some('e')));
        assert_eq!((items(&slots, List::Claimed).as_str(), slots.parked()), ("bd", 2));
        assert_eq!((slots.take(2), slots.take(9)), (None, None));
        slots.park(0, 'f', List::Claimed, 6);
        slots.park(1, 'g', List::AskedFor, 7);
        assert_eq!(items(&slots, List::Claimed), "df");
        assert_eq!((items(&slots, List::AskedFor).as_str(), slots.parked()), ("g", 3));
        assert_eq!((slots.take(0), slots.take(1), slots.take(3)), (Some('f'), Some('g'), Some('d')));
        assert_eq!(
            (items(&slots, List::Claimed) + &items(&slots, List::AskedFor), slots.parked()),
            (String::new(), 0)
        );
    }

    #[test]
    fn an_unclaimed_item_keeps_its_time() {
        let mut slots = Slots::default();
        for (at, item) in (1..).zip("abcd".chars()) {
            let index = slots.push(());
            slots.park(index, item, if at == 3 { List::AskedFor } else { List::Claimed }, at);
        }
        for (index, unclaimed) in [(1, "b"), (3, "bd"), (2, "bcd"), (2, "bcd"), (0, "abcd"), (9, "abcd")] {
            slots.unclaim(index);
            assert_eq!(items(&slots, List::Unclaimed), unclaimed);
        }
        assert_eq!(slots.parked(), 4);
    }
}

//! The states that sessions of a worker have in common. Most sessions of an application have set the same, so they share one
//! state, which takes memory once and is compared quickly.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::Carried;

/// At most this many states are remembered, the most recently used.
const KNOWN: usize = 32;

/// See the module. A state with user variables is never shared: their values may be secrets, and would stay here.
#[derive(Debug, Default)]
pub struct EqualStates(RefCell<VecDeque<Rc<Carried>>>);

impl EqualStates {
    /// Replaces a state by an equal one that is known, or makes it known. Whoever changes a shared state copies it first
    /// (`Rc::make_mut`).
    pub fn share(&self, state: &mut Rc<Carried>) {
        if !state.user_variables.is_empty() {
            return;
        }
        let mut known = self.0.borrow_mut();
        match known.iter().position(|known| Rc::ptr_eq(known, state) || **known == **state) {
            Some(at) => {
                if let Some(found) = known.remove(at) {
                    *state = found.clone();
                    known.push_front(found);
                }
            }
            None => {
                known.truncate(KNOWN - 1);
                known.push_front(state.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Flavor;

    fn state(schema: &str) -> Rc<Carried> {
        Rc::new(Carried::new(Some(schema.as_bytes()), 45))
    }

    #[test]
    fn equal_states_are_one_and_a_change_concerns_one_session() {
        let all = EqualStates::default();
        let (mut one, mut other, mut third) = (state("a"), state("a"), state("b"));
        for state in [&mut one, &mut other, &mut third] {
            all.share(state);
        }
        assert!(Rc::ptr_eq(&one, &other) && !Rc::ptr_eq(&one, &third));
        Rc::make_mut(&mut one).note(b"sql_mode", b"ANSI", Flavor::MySql);
        assert_eq!(*other, *state("a"), "untouched");
        all.share(&mut one);
        let mut like = state("a");
        Rc::make_mut(&mut like).note(b"sql_mode", b"ANSI", Flavor::MySql);
        all.share(&mut like);
        assert!(Rc::ptr_eq(&one, &like) && !Rc::ptr_eq(&one, &other));
    }

    #[test]
    fn user_variables_stay_with_their_session() {
        let all = EqualStates::default();
        let (mut one, mut other) = (state("a"), state("a"));
        for state in [&mut one, &mut other] {
            assert!(Rc::make_mut(state).user_variables.set(b"secret", b"1"));
            all.share(state);
        }
        assert!(!Rc::ptr_eq(&one, &other) && all.0.borrow().is_empty());
    }

    #[test]
    fn only_the_last_states_are_known() {
        let all = EqualStates::default();
        let mut often = state("often");
        all.share(&mut often);
        for n in 0..100 {
            all.share(&mut state(&n.to_string()));
            // Now and then, when it is nearly forgotten.
            if n % (KNOWN - 2) == 0 {
                let mut again = state("often");
                all.share(&mut again);
                assert!(Rc::ptr_eq(&often, &again), "{n}");
            }
        }
        assert_eq!(all.0.borrow().len(), KNOWN);
    }
}

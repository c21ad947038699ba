//! (class, session facts, snapshot, policy) to a decision with its reason; pure.

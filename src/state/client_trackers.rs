//! What the client wants to hear of its session's state: the values that it gives the servers' `session_track_…` variables.

use std::rc::Rc;

use super::SessionState;
use super::asked_text::AskedText;
use crate::sql::class::TRACKER;
use crate::sql::parts::Given;
use crate::terms::{Pin, Role};
use crate::wire::Tracked;

/// The only one of these variables that the proxy does not set itself.
const TRANSACTION_INFO: &[u8] = b"session_track_transaction_info";

impl SessionState {
    /// Returns which session state changes the client gets.
    pub fn tracked(&self) -> &Tracked {
        let own = self.objects.rare.as_ref().and_then(|rare| rare.tracked.as_ref());
        own.unwrap_or(&Tracked::DEFAULT)
    }

    /// Notes which trackers the client sets by this text, whose answer is under way. The client gets all reports of a tracker
    /// whose value the text does not show, until the server was asked (`trackers_to_ask`), and of all trackers if the text does not
    /// show which it sets.
    pub(super) fn note_trackers(&mut self, text: Option<&Rc<AskedText>>) {
        let Some(text) = text.filter(|text| text.names_tracker()) else { return };
        let mut tracked = self.tracked().clone();
        let set = text.system_variables();
        let (mut known, mut unknown) = (set.is_some(), Vec::new());
        for one in set.into_iter().flat_map(|set| set.iter()).filter(|one| one.name.starts_with(TRACKER)) {
            let value = match &one.given {
                Given::Literal(value) => Some(&**value),
                Given::Default => None,
                Given::Unknown => {
                    tracked.may_be_any(&one.name);
                    unknown.push(one.name.clone());
                    continue;
                }
            };
            known &= tracked.set(&one.name, value);
            // The proxy itself needs no reports of transactions, so a connection has them only for its session.
            if one.name == TRANSACTION_INFO {
                let carried = Rc::make_mut(&mut self.carried);
                _ = match value {
                    Some(value) => carried.set_variable(TRANSACTION_INFO, value),
                    None => carried.forget_variable(TRANSACTION_INFO),
                };
            }
        }
        let rare = self.objects.rare.get_or_insert_default();
        // A server would say of the others what the proxy has set.
        (rare.tracked, rare.trackers_to_ask) =
            if known { (Some(tracked), unknown) } else { (Some(Tracked::ALL), Vec::new()) };
    }

    /// True if only the connection in use knows what the client's last statement set trackers to.
    pub fn asks_for_trackers(&self) -> bool {
        self.objects.rare.as_ref().is_some_and(|rare| !rare.trackers_to_ask.is_empty())
    }

    /// Returns the trackers for whose values the proxy can ask the connection in use now: the next statement there sets them anew.
    pub fn trackers_to_ask(&mut self) -> Vec<Vec<u8>> {
        let Some(rare) = &mut self.objects.rare else { return Vec::new() };
        let mut names = std::mem::take(&mut rare.trackers_to_ask);
        // The question has the names as they are.
        names.retain(|name| name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
        let pins = self.pins.on(Role::Primary);
        if pins.has(Pin::NextTransaction) || pins.has(Pin::Warnings) { Vec::new() } else { names }
    }

    /// Notes the value of a tracker for which the proxy asked.
    pub(super) fn tracker_is(&mut self, name: &[u8], value: &[u8]) {
        if let Some(tracked) = self.objects.rare.as_mut().and_then(|rare| rare.tracked.as_mut()) {
            tracked.set(name, Some(value));
        }
        if name == TRANSACTION_INFO {
            Rc::make_mut(&mut self.carried).set_variable(TRANSACTION_INFO, value);
        }
    }
}

//! What the session trackers reported in the answer under way, compared with what its text sets.

use super::SessionState;
use crate::sql::{self, Effects, Options, StatementClass};
use crate::terms::{Unexplained, Why};

/// The most names that are kept of one answer.
const MOST_NAMES: usize = 64;

/// Names of the same variable.
const ALIASES: [(&[u8], &[u8]); 3] = [
    (b"tx_isolation", b"transaction_isolation"),
    (b"tx_read_only", b"transaction_read_only"),
    (b"identity", b"last_insert_id"),
];

/// The variables that SET NAMES and the like set.
const NAMES: [&[u8]; 4] =
    [b"character_set_client", b"character_set_connection", b"character_set_results", b"collation_connection"];

/// The variables that USE sets.
const OF_SCHEMA: [&[u8]; 2] = [b"character_set_database", b"collation_database"];

/// What the session trackers reported in the answer under way. Most statements report nothing.
#[derive(Debug, Default)]
pub(super) struct Reports(Option<Box<Reported>>);

#[derive(Debug, Default)]
struct Reported {
    names: Vec<Box<[u8]>>,
    schema: bool,
    /// True for a change without a name, for names beyond the limit, and for reports that cannot be read.
    something: bool,
    /// The name of the routine that an error said to be missing, without its schema.
    missing_routine: Option<Vec<u8>>,
}

impl Reports {
    pub(super) fn take_missing_routine(&mut self) -> Option<Vec<u8>> {
        self.0.as_mut()?.missing_routine.take()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn variable(&mut self, name: &[u8]) {
        let reported = self.0.get_or_insert_default();
        if reported.names.len() == MOST_NAMES {
            reported.something = true;
        } else {
            reported.names.push(name.into());
        }
    }

    pub(super) fn schema(&mut self) {
        self.0.get_or_insert_default().schema = true;
    }

    pub(super) fn something(&mut self) {
        self.0.get_or_insert_default().something = true;
    }
}

impl SessionState {
    /// Notes the missing routine in the text of an ER_SP_DOES_NOT_EXIST: `FUNCTION schema.name does not
    /// exist`.
    pub fn lacks_routine(&mut self, message: &[u8]) {
        let name = message.split(|b| *b == b' ').nth(1).unwrap_or_default();
        let name = name.rsplit(|b| *b == b'.').next().unwrap_or_default();
        if !name.is_empty() {
            self.trackers.reports.0.get_or_insert_default().missing_routine = Some(name.to_vec());
        }
    }

    /// Returns why text, catalogue and reports do not show everything that the statement left on its connection; None if
    /// they do.
    #[inline]
    pub fn unexplained(&self, class: &StatementClass, text: Option<&[u8]>) -> Option<Unexplained> {
        match &self.trackers.reports.0 {
            None => class.unexplained(),
            Some(reported) => self.reported(reported, class, text),
        }
    }

    fn reported(
        &self,
        reported: &Reported,
        class: &StatementClass,
        text: Option<&[u8]>,
    ) -> Option<Unexplained> {
        if reported.something {
            return Some(Unexplained::Report);
        }
        if reported.names.is_empty() && !reported.schema {
            return class.unexplained();
        }
        if let Some(by) = class.unexplained() {
            return Some(by);
        }
        if !class.effects.contains(Effects::SETS_STATE) {
            return Some(Unexplained::Name);
        }
        let is_set = text.is_some_and(|text| sets(text, class, &reported.names, self.sql_options()));
        let is_use = reported.names.iter().all(|name| OF_SCHEMA.contains(&&**name));
        (!is_set && (!reported.schema || !is_use)).then_some(Unexplained::Name)
    }
}

/// True if the text is a single SET that sets all these variables.
fn sets(text: &[u8], class: &StatementClass, names: &[Box<[u8]>], options: Options) -> bool {
    let of_transaction = class.reason == Why::TransactionControl && !class.effects.contains(Effects::SEVERAL);
    let set = match sql::parts::system_variables(text, options) {
        Some(set) => set,
        None if of_transaction => Vec::new(),
        None => return false,
    };
    let charset =
        sql::parts::sets_charset_too(text, options) || set.iter().any(|one| NAMES.contains(&&*one.name));
    names.iter().all(|name| {
        let name = plain(name);
        let named = set.iter().any(|one| plain(&one.name) == name);
        named
            || (charset && NAMES.contains(&name))
            || (of_transaction && ALIASES[..2].iter().any(|(_, known)| *known == name))
    })
}

fn plain(name: &[u8]) -> &[u8] {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::classify;

    fn explained(sql: &str, names: &[&str]) -> bool {
        let class = classify(sql.as_bytes(), Options::default(), &());
        let names: Vec<Box<[u8]>> = names.iter().map(|name| name.as_bytes().into()).collect();
        sets(sql.as_bytes(), &class, &names, Options::default())
    }

    #[test]
    fn a_set_explains_exactly_its_names() {
        for (sql, names) in [
            ("SET sort_buffer_size = 300000", &["sort_buffer_size"][..]),
            ("SET SESSION sql_mode = ''", &["sql_mode"]),
            ("SET NAMES latin1", &NAMES.map(|name| std::str::from_utf8(name).unwrap())),
            ("SET character_set_connection = latin1", &["character_set_connection", "collation_connection"]),
            ("SET autocommit = 1, @x = 5", &["autocommit"]),
            ("SET tx_isolation = 'SERIALIZABLE'", &["transaction_isolation"]),
            ("SET SESSION TRANSACTION READ ONLY", &["tx_read_only"]),
        ] {
            assert!(explained(sql, names), "{sql}");
        }
        for (sql, name) in [
            ("SET sort_buffer_size = 300000", "sql_mode"),
            ("SET @x = 5", "sort_buffer_size"),
            ("SET NAMES latin1", "sql_mode"),
            ("SELECT 1", "sort_buffer_size"),
            ("SET sql_mode = ''; SELECT 1", "sql_mode"),
        ] {
            assert!(!explained(sql, &[name]), "{sql}");
        }
    }
}

//! The statements that were prepared on a connection with PREPARE.

use std::rc::Rc;

use super::{Connection, Expect, TextStatement, TextStatements};
use crate::backend::variable_values::{write_name, write_quoted};
use crate::net::Stream;

/// Returns `list`, but with the statement of this name as in `from`.
pub(super) fn with_name(list: &TextStatements, name: &[u8], from: &TextStatements) -> TextStatements {
    let others = list.iter().filter(|known| *known.name != *name);
    others.chain(from.iter().filter(|known| *known.name == *name)).cloned().collect()
}

impl<S: Stream> Connection<S> {
    /// Records the statements prepared here with PREPARE: the whole list, or only the entry of this name.
    pub fn now_has_text_statements(&mut self, list: &TextStatements, only: Option<&[u8]>) {
        self.text_statements = match only {
            None => list.clone(),
            Some(name) => with_name(&self.text_statements, name, list),
        };
    }

    /// Appends commands so that EXECUTE finds exactly the session's prepared statements, or, with `only`, the
    /// session's statement of this one name. (A server refuses to prepare some statements under LOCK TABLES.)
    pub fn become_text_statements(&mut self, wish: &TextStatements, only: Option<&[u8]>, out: &mut Vec<u8>) {
        let expect = if only.is_some() { Expect::Prepare } else { Expect::Set };
        self.prepare_as_text(wish, only, expect, out);
    }

    /// Appends commands so that whatever runs next finds the session's prepared statements: a procedure may execute any of
    /// them. What the server refuses to prepare again is not there.
    pub fn offer_text_statements(&mut self, wish: &TextStatements, out: &mut Vec<u8>) {
        self.prepare_as_text(wish, None, Expect::TryPrepare, out);
    }

    fn prepare_as_text(
        &mut self,
        wish: &TextStatements,
        only: Option<&[u8]>,
        expect: Expect,
        out: &mut Vec<u8>,
    ) {
        if Rc::ptr_eq(&self.text_statements, wish) {
            return;
        }
        let wish = match only {
            Some(name) => &with_name(&self.text_statements, name, wish),
            None => wish,
        };
        let before = std::mem::replace(&mut self.text_statements, wish.clone());
        for old in before.iter().filter(|old| !wish.contains(old)) {
            let mut text = b"DEALLOCATE PREPARE ".to_vec();
            write_name(&old.name, &mut text);
            self.query_in_front(&text, Expect::Set, out);
        }
        let now = self.applied.clone();
        for new in wish.iter().filter(|new| !before.contains(new)) {
            let mut text = b"PREPARE ".to_vec();
            write_name(&new.name, &mut text);
            text.extend_from_slice(b" FROM ");
            write_quoted(&new.text, &mut text);
            match expect {
                Expect::TryPrepare => self.aside.trying.push_back(new.name.clone()),
                _ => self.aside.preparing = only.map(Rc::from),
            }
            match &now {
                Some(now) if !now.parses_like(&new.under) => {
                    self.become_session(&Rc::new(now.parsing_like(&new.under)), None, out);
                    self.query_in_front(&text, expect, out);
                    self.become_session(now, None, out);
                }
                _ => self.query_in_front(&text, expect, out),
            }
        }
    }

    /// Appends commands that deallocate the statements prepared with PREPARE that are not in `own`.
    pub fn drop_text_statements_but(&mut self, own: &TextStatements, out: &mut Vec<u8>) {
        let kept: TextStatements =
            self.text_statements.iter().filter(|known| own.contains(known)).cloned().collect();
        self.become_text_statements(&kept, None, out);
    }

    /// True if this statement is prepared here.
    pub fn has_text_statement(&self, statement: &TextStatement) -> bool {
        self.text_statements.contains(statement)
    }

    /// True if statements are prepared here with PREPARE.
    pub fn has_text_statements(&self) -> bool {
        !self.text_statements.is_empty()
    }
}

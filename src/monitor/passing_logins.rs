//! The servers' accounts that pass `read_only` and have logged in as clients. Accounts that only exist are no reason to
//! warn: servers have `root`, and accounts of operators. A name stays until the account tables say otherwise.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_local;

use super::accounts::{PASSES, PassingAccounts};
use crate::backend::accounts::{AccountReading, Accounts};

/// The most names that are kept. Accounts beyond that are not named.
const MOST: usize = 1000;

/// See the module. Cheap to clone, for every thread.
#[derive(Debug, Clone)]
pub struct PassingLogins(Arc<watch::Sender<PassingAccounts>>);

impl PassingLogins {
    /// Starts the task that removes names, on the current thread, which must be inside a `LocalSet`. It ends when the sender
    /// of the tables, or the last receiver of the names is dropped.
    pub fn start(tables: watch::Receiver<AccountReading>) -> (Self, watch::Receiver<PassingAccounts>) {
        let (publish, current) = watch::channel(PassingAccounts::default());
        let publish = Arc::new(publish);
        spawn_local(remove(publish.clone(), tables));
        (PassingLogins(publish), current)
    }

    /// Adds an account that has logged in. Logs a warning if the account was not there.
    pub fn note(&self, user: &str) {
        let is_new = self.0.send_if_modified(|names| {
            names.len() < MOST && !names.contains(user) && Arc::make_mut(names).insert(user.into())
        });
        if is_new {
            tracing::warn!(users = user, "{PASSES}");
        }
    }
}

/// Removes the names of accounts that do not pass `read_only` any more.
async fn remove(publish: Arc<watch::Sender<PassingAccounts>>, mut tables: watch::Receiver<AccountReading>) {
    loop {
        let changed = tokio::select! {
            changed = tables.changed() => changed.is_ok(),
            () = publish.closed() => false,
        };
        if !changed {
            return;
        }
        let accounts = tables.borrow_and_update().accounts.clone();
        // While the tables cannot be read, nobody says otherwise.
        let Accounts::Known(table) = &*accounts else { continue };
        publish.send_if_modified(|names| {
            let has_former = !names.iter().all(|user| table.passes_read_only(user));
            if has_former {
                Arc::make_mut(names).retain(|user| table.passes_read_only(user));
            }
            has_former
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::accounts::AccountRows;
    use crate::topology::Flavor;
    use tokio::task::{LocalSet, yield_now};

    /// A reading with these accounts, of which all pass.
    fn reading(users: &[&str]) -> AccountReading {
        let row = |values: &[&str]| values.iter().map(|v| Some(v.as_bytes().to_vec())).collect::<Vec<_>>();
        let rows: Vec<_> = users.iter().map(|user| row(&["%", user, r#"{"access":32768}"#])).collect();
        let table = AccountRows::read(Flavor::MariaDb, &rows, &[row(&["m@localhost"])]).unwrap();
        AccountReading { accounts: Arc::new(Accounts::Known(table)), ..AccountReading::default() }
    }

    #[tokio::test]
    async fn names_stay_while_the_tables_agree() {
        LocalSet::new()
            .run_until(async {
                let (tables, read) = watch::channel(reading(&["root", "dba"]));
                let (logins, named) = PassingLogins::start(read);
                let names = async || {
                    yield_now().await;
                    named.borrow().iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ")
                };
                for user in ["root", "root", "dba"] {
                    logins.note(user);
                }
                tables.send_replace(reading(&["root", "dba", "idle"]));
                assert_eq!(names().await, "dba root");
                tables.send_replace(AccountReading::default());
                assert_eq!(names().await, "dba root");
                tables.send_replace(reading(&["dba"]));
                assert_eq!(names().await, "dba");
                for at in 0..2 * MOST {
                    logins.note(&format!("user {at}"));
                }
                assert_eq!(named.borrow().len(), MOST);
            })
            .await;
    }
}

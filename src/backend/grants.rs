//! Whether an account is exempt from `read_only`, according to SHOW GRANTS: such an account can write to a
//! demoted primary without an error. The privileges are SUPER (on MariaDB until 10.10), READ ONLY ADMIN
//! (MariaDB) and CONNECTION_ADMIN (MySQL), granted directly or through a role.

use crate::topology::Flavor;

/// An account with more roles than this is assumed to be exempt.
const MOST_ROLES: usize = 32;

/// One answer to SHOW GRANTS.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grants {
    /// True if a global privilege is one of those that are looked for.
    wanted: bool,
    /// The granted roles, quoted as the server quotes them.
    roles: Vec<String>,
}

/// Returns whether the connection's account is exempt from `read_only`, also through a role that it may
/// activate. `ask` runs a statement and returns the first column. `version` is the greeting's.
pub async fn passes_read_only<E>(
    flavor: Flavor,
    version: &str,
    ask: impl AsyncFnMut(String) -> Result<Vec<Vec<u8>>, E>,
) -> Result<bool, E> {
    any_privilege(flavor, ask, |privilege| passes(privilege, flavor, version)).await
}

/// Returns whether the connection's account has a privilege for everything (`ON *.*`) with which it may change a server that is
/// read-only: its files, settings, threads or binary log. Every privilege counts that is not known to be bound by
/// `read_only`, also through a role that the account may activate.
pub async fn may_change_servers<E>(
    flavor: Flavor,
    ask: impl AsyncFnMut(String) -> Result<Vec<Vec<u8>>, E>,
) -> Result<bool, E> {
    any_privilege(flavor, ask, |privilege| !BOUND.contains(&privilege)).await
}

/// Privileges that only read, or whose use `read_only` stops.
/// <https://dev.mysql.com/doc/refman/9.0/en/privileges-provided.html>, <https://mariadb.com/kb/en/grant/>
const BOUND: [&str; 35] = [
    "USAGE",
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
    "TRIGGER",
    "DELETE HISTORY",
    "DELETE VERSIONING ROWS",
    "PROCESS",
    "SHOW DATABASES",
    "SHOW CREATE ROUTINE",
    "SHOW_ROUTINE",
    "REPLICATION CLIENT",
    "REPLICATION SLAVE",
    "BINLOG MONITOR",
    "SLAVE MONITOR",
    "REPLICA MONITOR",
    "CREATE ROLE",
    "DROP ROLE",
    "CREATE USER",
    "RELOAD",
    "CREATE TABLESPACE",
];

/// True if one of the account's global privileges, or of those of its roles, is `wanted`.
async fn any_privilege<E>(
    flavor: Flavor,
    mut ask: impl AsyncFnMut(String) -> Result<Vec<Vec<u8>>, E>,
    wanted: impl Fn(&str) -> bool,
) -> Result<bool, E> {
    let mut roles: Vec<String> = Vec::new();
    let mut next = 0;
    let mut sql = "SHOW GRANTS".to_owned();
    loop {
        let grants = read(&ask(sql).await?, &wanted);
        for role in grants.roles {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        if grants.wanted || roles.len() > MOST_ROLES {
            return Ok(true);
        }
        let Some(role) = roles.get(next) else { return Ok(false) };
        next += 1;
        sql = match flavor {
            Flavor::MariaDb => format!("SHOW GRANTS FOR {role}"),
            Flavor::MySql => format!("SHOW GRANTS FOR CURRENT_USER() USING {role}"),
        };
    }
}

fn read(lines: &[Vec<u8>], wanted: &impl Fn(&str) -> bool) -> Grants {
    let mut all = Grants::default();
    for line in lines {
        let line = String::from_utf8_lossy(line);
        let Some(granted) = line.strip_prefix("GRANT ") else { continue };
        if granted.starts_with(['`', '\'', '"']) {
            // A grant of roles; MySQL lists several in a line.
            let names = granted.rsplit_once(" TO ").map_or(granted, |(names, _)| names);
            all.roles.extend(separate(names));
        } else if let Some((privileges, _)) = granted.split_once(" ON *.* TO ") {
            all.wanted |= privileges.split(',').any(|name| wanted(name.trim()));
        }
    }
    all
}

/// Splits names at commas; a comma in quotes belongs to a name.
fn separate(names: &str) -> Vec<String> {
    let (mut found, mut quote) = (vec![String::new()], None);
    for c in names.chars() {
        match quote {
            None if c == ',' => found.push(String::new()),
            None if matches!(c, '`' | '\'' | '"') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        if let (Some(last), true) = (found.last_mut(), quote.is_some() || c != ',') {
            last.push(c);
        }
    }
    found.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn passes(privilege: &str, flavor: Flavor, version: &str) -> bool {
    match privilege {
        "ALL PRIVILEGES" | "ALL" => true,
        "SUPER" => flavor == Flavor::MySql || is_before_10_11(version),
        "READ_ONLY ADMIN" | "READ ONLY ADMIN" => flavor == Flavor::MariaDb,
        "CONNECTION_ADMIN" => flavor == Flavor::MySql,
        _ => false,
    }
}

/// From 10.11 on, MariaDB's SUPER does not include READ ONLY ADMIN. An unreadable version counts as earlier.
fn is_before_10_11(version: &str) -> bool {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (10, 11)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Returns the verdict and the statements asked, given these answers in order.
    fn asked(flavor: Flavor, version: &str, answers: &[&[&str]]) -> (bool, Vec<String>) {
        let (asked, answers) = (RefCell::new(Vec::new()), RefCell::new(answers.iter()));
        let verdict = async {
            passes_read_only(flavor, version, async |sql: String| {
                asked.borrow_mut().push(sql);
                let lines = answers.borrow_mut().next().copied().unwrap_or_default();
                Ok::<_, ()>(lines.iter().map(|line| line.as_bytes().to_vec()).collect())
            })
            .await
        };
        let Poll::Ready(Ok(passes)) = pin!(verdict).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it waits")
        };
        (passes, asked.into_inner())
    }

    #[test]
    fn privileges_that_pass() {
        let (maria, old, mysql) = ("10.11.6-MariaDB", "5.5.5-10.6.5-MariaDB", "9.7.0");
        let one = |flavor, version, line: &str| asked(flavor, version, &[&[line]]).0;
        let all = "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION";
        let of_super = "GRANT SELECT, SUPER ON *.* TO `a`@`%`";
        assert!(one(Flavor::MariaDb, maria, all) && one(Flavor::MySql, mysql, all));
        assert!(!one(Flavor::MariaDb, maria, of_super) && one(Flavor::MariaDb, old, of_super));
        assert!(one(Flavor::MySql, mysql, of_super) && one(Flavor::MariaDb, "x", of_super));
        assert!(one(Flavor::MariaDb, maria, "GRANT READ_ONLY ADMIN ON *.* TO `a`@`%`"));
        assert!(one(Flavor::MySql, mysql, "GRANT BACKUP_ADMIN,CONNECTION_ADMIN ON *.* TO `a`@`%`"));
        assert!(!one(Flavor::MariaDb, maria, "GRANT CONNECTION ADMIN ON *.* TO `a`@`%`"));
        assert!(!one(Flavor::MariaDb, maria, "GRANT ALL PRIVILEGES ON `test`.* TO `a`@`%`"));
        assert!(!one(Flavor::MariaDb, maria, "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*1'"));
    }

    #[test]
    fn roles_are_followed_to_their_end() {
        let first =
            &["GRANT `r` TO `a`@`%`", "GRANT USAGE ON *.* TO `a`@`%`", "SET DEFAULT ROLE `r` FOR `a`@`%`"];
        let second = &["GRANT `deep` TO `r`", "GRANT USAGE ON *.* TO `r`"];
        let third = &["GRANT `r` TO `deep`", "GRANT READ_ONLY ADMIN ON *.* TO `deep`"];
        let (passes, sql) = asked(Flavor::MariaDb, "11.4.2-MariaDB", &[first, second, third]);
        assert!(passes);
        assert_eq!(sql, ["SHOW GRANTS", "SHOW GRANTS FOR `r`", "SHOW GRANTS FOR `deep`"]);
        let both = &["GRANT `x,y`@`%`,`z`@`%` TO `a`@`%`"];
        let (passes, sql) = asked(Flavor::MySql, "9.7.0", &[both]);
        let using = "SHOW GRANTS FOR CURRENT_USER() USING";
        assert_eq!(sql, ["SHOW GRANTS", &format!("{using} `x,y`@`%`"), &format!("{using} `z`@`%`")]);
        assert!(!passes);
    }
}

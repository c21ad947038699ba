//! A server's state in its group.

use super::*;
use crate::monitor::member::{is_galera, member};
use crate::topology::{Group, Member};

fn group(view: &str) -> Option<Member> {
    member(&[set(&["read_only", "group_view"], &[&["0", view]])])
}

#[test]
fn a_replication_group_in_numbers() {
    let is = |fit, writes| {
        Some(Member { group: Group::Replication, fit, apart: false, writes, several_write: false })
    };
    let apart = Some(Member {
        group: Group::Replication,
        fit: false,
        apart: true,
        writes: false,
        several_write: false,
    });
    assert_eq!(group("1 1 1 3 3 1"), is(true, true));
    assert_eq!(group("1 1 0 3 3 1"), is(true, false));
    let among_primaries = is(true, true).map(|member| Member { several_write: true, ..member });
    assert_eq!(group("1 1 1 3 3 3"), among_primaries);
    assert_eq!(group("1 1 1 1 3 1"), apart, "a minority");
    assert_eq!(group("1 1 1 2 4 1"), apart, "half is no majority");
    assert_eq!(group("1 0 0 3 3 1"), is(false, false), "recovering");
    assert_eq!(group("1 0 0 0 1 0"), is(false, false), "expelled or stopped");
    assert_eq!(group("0 0 0 0 1 0"), None, "the plugin is there, and no group");
    assert_eq!(group("0"), None, "no plugin");
    assert_eq!(group("NULL"), None);
    assert_eq!(member(&[]), None);
}

#[test]
fn a_galera_member_by_its_variables() {
    let galera =
        |rows: &[&[&str]]| member(&[set(&["read_only"], &[&["0"]]), set(&["Variable_name", "Value"], rows)]);
    let is = |fit| Some(Member { group: Group::Galera, fit, apart: false, writes: fit, several_write: true });
    let apart =
        Some(Member { group: Group::Galera, fit: false, apart: true, writes: false, several_write: true });
    let synced = [["wsrep_cluster_status", "Primary"], ["wsrep_local_state", "4"], ["wsrep_ready", "ON"]];
    let with = |more: &[[&str; 2]]| {
        let rows: Vec<[&str; 2]> = more.iter().chain(&synced).copied().collect();
        galera(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>())
    };
    assert_eq!(with(&[]), is(true));
    assert_eq!(with(&[["pxc_maint_mode", "DISABLED"], ["wsrep_reject_queries", "NONE"]]), is(true));
    for wrong in [
        ["wsrep_local_state", "2"],
        ["wsrep_ready", "OFF"],
        ["pxc_maint_mode", "MAINTENANCE"],
        ["wsrep_reject_queries", "ALL"],
    ] {
        assert_eq!(with(&[wrong]), is(false), "{wrong:?}");
    }
    for status in ["non-Primary", "Disconnected"] {
        assert_eq!(with(&[["wsrep_cluster_status", status]]), apart);
    }
    assert_eq!(galera(&[]), None);
}

#[test]
fn a_node_of_galera_says_that_it_is_one() {
    let is = |rows: &[&[&str]]| {
        is_galera(&[set(&["read_only"], &[&["0"]]), set(&["Variable_name", "Value"], rows)])
    };
    let provider = ["wsrep_provider", "/usr/lib/galera/libgalera_smm.so"];
    assert!(is(&[&["wsrep_on", "ON"], &provider]));
    assert!(!is(&[&["wsrep_on", "OFF"], &provider]), "it replicates nothing");
    assert!(!is(&[&["wsrep_on", "ON"], &["wsrep_provider", "none"]]), "alone");
    assert!(!is(&[&["wsrep_on", "ON"], &["wsrep_provider", ""]]));
    assert!(!is(&[]), "MySQL, and MariaDB without Galera's code");
}

//! Each row of the table: the selector, and the meaning of the labels.

use super::super::presets::Rules;
use super::*;

const PRIMARY: Option<Option<Label>> = Some(Some(Label::Primary));
const REPLICA: Option<Option<Label>> = Some(Some(Label::Replica));
const ABSENT: Option<Option<Label>> = Some(Some(Label::Absent));
const LEFT_OUT: Option<Option<Label>> = None;

/// Returns the label and port of a single pod with these labels.
fn alone(settings: &Kubernetes, carried: &[(&str, &str)]) -> Option<(Option<Label>, String)> {
    let found = servers(settings, &[pod("db-0", carried)]);
    let server = found.first()?;
    Some((server.label, server.address.rsplit_once(':')?.1.to_owned()))
}

fn means(settings: &Kubernetes, carried: &[(&str, &str)]) -> Option<Option<Label>> {
    alone(settings, carried).map(|(label, _)| label)
}

/// The labels of a pod, and their meaning.
type Case<'a> = (&'a [(&'a str, &'a str)], Option<Option<Label>>);

/// Checks the selector, the port, and the meaning of each set of labels.
fn row(preset: Preset, selector: &str, port: &str, cases: &[Case<'_>]) {
    let settings = settings(preset);
    assert_eq!(Rules::of(&settings).selector, selector, "{preset:?}");
    for (carried, wanted) in cases {
        assert_eq!(means(&settings, carried), *wanted, "{preset:?} {carried:?}");
        if let Some((_, found)) = alone(&settings, carried) {
            assert_eq!(found, port, "{preset:?}");
        }
        // A job's pod is no server, whatever its other labels.
        for job in ["job-name", "batch.kubernetes.io/job-name"] {
            let carried: Vec<_> = carried.iter().copied().chain([(job, "backup")]).collect();
            assert_eq!(means(&settings, &carried), LEFT_OUT, "{preset:?} {carried:?}");
        }
    }
}

#[test]
fn mariadb_operator() {
    let selector = "app.kubernetes.io/name=mariadb,app.kubernetes.io/instance=c";
    for preset in [Preset::MariaDbOperator, Preset::MariaDbOperatorGalera] {
        row(
            preset,
            selector,
            "3308",
            &[
                (&[("k8s.mariadb.com/role", "primary")], PRIMARY),
                (&[("k8s.mariadb.com/role", "Replica")], REPLICA),
                (&[], LEFT_OUT),
            ],
        );
    }
}

#[test]
fn oracle_innodbcluster() {
    row(
        Preset::OracleInnoDbCluster,
        "component=mysqld,tier=mysql,mysql.oracle.com/cluster=c",
        "3306",
        &[
            (&[("mysql.oracle.com/cluster-role", "PRIMARY")], PRIMARY),
            (&[("mysql.oracle.com/cluster-role", "SECONDARY")], REPLICA),
            (&[("mysql.oracle.com/instance-type", "read-replica")], REPLICA),
            (&[("mysql.oracle.com/instance-type", "group-member")], LEFT_OUT),
            (&[], LEFT_OUT),
        ],
    );
}

#[test]
fn radondb() {
    let selector = "mysql.radondb.com/cluster=c,app.kubernetes.io/managed-by=mysql.radondb.com,\
                    app.kubernetes.io/name in (mysql,mysql-readonly)";
    row(
        Preset::RadonDb,
        selector,
        "3306",
        &[
            (&[("role", "LEADER"), ("healthy", "yes")], PRIMARY),
            (&[("role", "FOLLOWER"), ("healthy", "yes")], REPLICA),
            (&[("role", "LEADER"), ("healthy", "no")], ABSENT),
            (&[("role", "LEADER")], ABSENT),
            (&[("readonly", "true"), ("healthy", "yes")], REPLICA),
            (&[("healthy", "yes")], LEFT_OUT),
            (&[], LEFT_OUT),
        ],
    );
    for role in ["CANDIDATE", "UNKNOW", "IDLE", "INVALID", "LEARNER", "STOPPED"] {
        let carried = [("role", role), ("healthy", "yes"), ("readonly", "true")];
        assert_eq!(means(&settings(Preset::RadonDb), &carried), LEFT_OUT, "{role}");
    }
}

#[test]
fn bitpoke() {
    let selector = "mysql.presslabs.org/cluster=c,app.kubernetes.io/name=mysql,\
                    app.kubernetes.io/managed-by=mysql.presslabs.org";
    row(
        Preset::Bitpoke,
        selector,
        "3306",
        &[
            (&[("role", "master"), ("healthy", "yes")], PRIMARY),
            (&[("role", "replica"), ("healthy", "yes")], REPLICA),
            (&[("role", "master"), ("healthy", "no")], ABSENT),
            (&[], LEFT_OUT),
        ],
    );
}

#[test]
fn percona_ps() {
    let selector = "app.kubernetes.io/name=mysql,app.kubernetes.io/instance=c,\
                    app.kubernetes.io/component=database,\
                    app.kubernetes.io/managed-by=percona-server-mysql-operator";
    row(
        Preset::PerconaPs,
        selector,
        "3306",
        &[
            (&[("mysql.percona.com/primary", "true")], PRIMARY),
            (&[("mysql.percona.com/primary", "false")], REPLICA),
            // No pod has the label before the first failover.
            (&[], Some(None)),
        ],
    );
    let settings = settings(Preset::PerconaPs);
    let mut pods = Pods::new(&settings);
    pods.pods(Change::All(vec![parsed(&pod("db-0", &[])), parsed(&pod("db-1", &[]))]));
    assert_eq!(labels(&pods.servers()), [("db-0", None), ("db-1", None)]);
    pods.pods(Change::Put(parsed(&pod("db-1", &[("mysql.percona.com/primary", "true")]))));
    assert_eq!(labels(&pods.servers()), [("db-0", Some(Label::Replica)), ("db-1", Some(Label::Primary))]);
    // The old label is removed first: still, the probes alone do not decide again.
    pods.pods(Change::Put(parsed(&pod("db-1", &[]))));
    assert_eq!(labels(&pods.servers()), [("db-0", Some(Label::Replica)), ("db-1", Some(Label::Replica))]);
}

#[test]
fn percona_pxc() {
    let selector = "app.kubernetes.io/name=percona-xtradb-cluster,app.kubernetes.io/instance=c,\
                    app.kubernetes.io/component=pxc";
    row(Preset::PerconaPxc, selector, "3306", &[(&[], PRIMARY)]);
    let settings = settings(Preset::PerconaPxc);
    let mut all = [pod("c-pxc-10", &[]), pod("c-pxc-9", &[]), pod("c-pxc-8", &[])];
    let primaries = |pods: &[Value]| {
        let found = servers(&settings, pods);
        assert!(found.iter().all(|s| s.label.is_some()));
        found
            .iter()
            .filter(|s| s.label == Some(Label::Primary))
            .map(|s| s.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(primaries(&all), ["c-pxc-8"]);
    all[2]["status"]["conditions"][0]["status"] = json!("False");
    assert_eq!(primaries(&all), ["c-pxc-9"]);
    all[1]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(primaries(&all), ["c-pxc-10"]);
}

#[test]
fn moco() {
    let selector =
        "app.kubernetes.io/name=mysql,app.kubernetes.io/instance=c,app.kubernetes.io/created-by=moco";
    row(
        Preset::Moco,
        selector,
        "3306",
        &[
            (&[("moco.cybozu.com/role", "primary")], PRIMARY),
            (&[("moco.cybozu.com/role", "replica")], REPLICA),
            (&[], LEFT_OUT),
        ],
    );
}

#[test]
fn kubeblocks() {
    let selector = "app.kubernetes.io/managed-by=kubeblocks,app.kubernetes.io/instance=c,\
                    apps.kubeblocks.io/component-name=comp";
    row(
        Preset::KubeBlocks,
        selector,
        "3306",
        &[
            (&[("kubeblocks.io/role", "primary")], PRIMARY),
            (&[("kubeblocks.io/role", "leader")], PRIMARY),
            (&[("kubeblocks.io/role", "secondary")], REPLICA),
            (&[("kubeblocks.io/role", "follower")], REPLICA),
            (&[("kubeblocks.io/role", "")], LEFT_OUT),
            (&[], LEFT_OUT),
        ],
    );
}

#[test]
fn kubedb() {
    let selector = "app.kubernetes.io/name in (mysqls.kubedb.com,mariadbs.kubedb.com,perconaxtradbs.kubedb.com),\
                    app.kubernetes.io/instance=c,app.kubernetes.io/managed-by=kubedb.com";
    row(
        Preset::KubeDb,
        selector,
        "3307",
        &[
            (&[("kubedb.com/role", "primary")], PRIMARY),
            (&[("kubedb.com/role", "master")], PRIMARY),
            (&[("kubedb.com/role", "standby")], REPLICA),
            (&[("kubedb.com/role", "secondary")], REPLICA),
            (&[("kubedb.com/role", "slave")], REPLICA),
            (&[], LEFT_OUT),
        ],
    );
}

#[test]
fn canonical() {
    row(
        Preset::Canonical,
        "application-name=comp,cluster-name=c",
        "3306",
        &[(&[("role", "primary")], PRIMARY), (&[("role", "replicas")], REPLICA), (&[], LEFT_OUT)],
    );
}

#[test]
fn bitnami() {
    row(
        Preset::Bitnami,
        "app.kubernetes.io/name in (mysql,mariadb),app.kubernetes.io/instance=c",
        "3306",
        &[
            (&[("app.kubernetes.io/component", "primary")], PRIMARY),
            (&[("app.kubernetes.io/component", "secondary")], REPLICA),
            (&[], LEFT_OUT),
        ],
    );
}

#[test]
fn a_custom_cluster() {
    let labels = Labels {
        selector: "app=slightshift-mysql,mysql-node=true".into(),
        role: "r".into(),
        primary: vec!["rw".into()],
        replica: vec!["ro".into()],
        health: "ok=1".into(),
        leave_out: vec!["backup".into(), "tier=test".into()],
        ..Labels::default()
    };
    let custom = Kubernetes { labels, ..settings(Preset::Custom) };
    assert_eq!(Rules::of(&custom).selector, "app=slightshift-mysql,mysql-node=true");
    for (carried, wanted) in [
        (&[("r", "RW"), ("ok", "1")][..], PRIMARY),
        (&[("r", "ro"), ("ok", "1")], REPLICA),
        (&[("r", "ro"), ("ok", "0")], ABSENT),
        (&[("r", "else"), ("ok", "1")], LEFT_OUT),
        (&[("ok", "1")], LEFT_OUT),
        (&[("r", "rw"), ("ok", "1"), ("backup", "")], LEFT_OUT),
        (&[("r", "rw"), ("ok", "1"), ("tier", "test")], LEFT_OUT),
        (&[("r", "rw"), ("ok", "1"), ("tier", "prod")], PRIMARY),
    ] {
        assert_eq!(means(&custom, carried), wanted, "{carried:?}");
    }
    let without_labels = Kubernetes { labels: Labels::default(), ..settings(Preset::Custom) };
    assert_eq!(means(&without_labels, &[("role", "primary")]), Some(None), "the probes alone decide");
}

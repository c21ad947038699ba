//! How pods become servers, apart from their labels.

use super::*;
use crate::config::{NoRole, PodPort, PodZone};

const ROLE: &str = "moco.cybozu.com/role";

fn primary(name: &str) -> Value {
    pod(name, &[(ROLE, "primary")])
}

fn replica(name: &str) -> Value {
    pod(name, &[(ROLE, "replica")])
}

fn addresses(settings: &Kubernetes, pod: &Value) -> Vec<String> {
    servers(settings, std::slice::from_ref(pod)).iter().map(|s| s.address.to_string()).collect()
}

#[test]
fn the_port_is_a_name_or_a_number_or_the_presets() {
    let moco = settings(Preset::Moco);
    assert_eq!(addresses(&moco, &primary("db-1")), ["10.0.0.1:3306"]);
    let with = |port| Kubernetes { port: Some(port), ..moco.clone() };
    assert_eq!(addresses(&with(PodPort::Name("db".into())), &primary("db-1")), ["10.0.0.1:3307"]);
    assert_eq!(addresses(&with(PodPort::Number(9.try_into().unwrap())), &primary("db-1")), ["10.0.0.1:9"]);
    assert!(addresses(&with(PodPort::Name("nope".into())), &primary("db-1")).is_empty());
    let mut bare = primary("db-1");
    bare["spec"]["containers"] = json!([{"name": "server"}]);
    assert_eq!(addresses(&moco, &bare), ["10.0.0.1:3306"], "nobody need declare a port");
    bare["status"]["podIP"] = json!("fd00::1");
    assert_eq!(addresses(&moco, &bare), ["[fd00::1]:3306"]);
}

#[test]
fn a_pod_without_an_address_or_at_its_end_is_no_server() {
    let moco = settings(Preset::Moco);
    let mut pending = primary("db-1");
    pending["status"] = json!({"phase": "Pending"});
    assert!(addresses(&moco, &pending).is_empty());
    for phase in ["Succeeded", "Failed"] {
        let mut over = primary("db-1");
        over["status"]["phase"] = json!(phase);
        assert!(addresses(&moco, &over).is_empty());
    }
}

/// Returns the names that a pod's certificate may have.
fn tls_names(settings: &Kubernetes, pod: &Value) -> Vec<String> {
    let found = servers(settings, std::slice::from_ref(pod));
    found[0].tls_names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_certificate_may_be_for_any_name_of_a_pod() {
    let moco = settings(Preset::Moco);
    let mut pod = primary("db-1");
    assert!(tls_names(&moco, &pod).is_empty(), "without a Service it has no name");
    pod["spec"]["subdomain"] = json!("moco-c");
    let of = |host: &str| {
        let names = ["moco-c.ns.svc.cluster.local", "moco-c.ns.svc", "moco-c.ns", "moco-c"];
        let mut names: Vec<_> = names.iter().map(|name| format!("{host}.{name}")).collect();
        names.push(host.to_owned());
        names
    };
    assert_eq!(tls_names(&moco, &pod), of("db-1"));
    pod["spec"]["hostname"] = json!("other");
    assert_eq!(tls_names(&moco, &pod), of("other"));

    let mut pxc = super::pod("c-pxc-0", &[]);
    pxc["spec"]["subdomain"] = json!("c-pxc");
    let names = tls_names(&settings(Preset::PerconaPxc), &pxc);
    assert_eq!((names.len(), names[5].as_str()), (6, "c-pxc"));
}

#[test]
fn the_clusters_domain_stands_in_the_search_list() {
    let of = crate::discovery::kubernetes::pods::dns_domain;
    assert_eq!(
        of("nameserver 10.0.0.10\nsearch ns.svc.corp.example svc.corp.example corp.example\n"),
        "corp.example"
    );
    assert_eq!(of("search example.org\n"), "cluster.local");
    assert_eq!(of(""), "cluster.local");
}

#[test]
fn a_pod_whose_names_change_is_heard_of() {
    let mut pods = Pods::new(&settings(Preset::Moco));
    let mut pod = primary("db-0");
    assert!(pods.pods(Change::All(vec![parsed(&pod)])));
    pod["spec"]["subdomain"] = json!("moco-c");
    assert!(pods.pods(Change::Put(parsed(&pod))));
}

#[test]
fn servers_stand_in_the_order_of_their_numbers() {
    let found = servers(&settings(Preset::Moco), &[replica("db-10"), replica("db-9"), primary("a-11")]);
    assert_eq!(found.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["a-11", "db-9", "db-10"]);
}

#[test]
fn what_makes_no_difference_is_none() {
    let mut pods = Pods::new(&settings(Preset::Moco));
    assert!(pods.pods(Change::All(vec![parsed(&primary("db-0")), parsed(&replica("db-1"))])));
    let mut same = primary("db-0");
    same["metadata"]["resourceVersion"] = json!("77");
    same["metadata"]["labels"]["noise"] = json!("1");
    assert!(!pods.pods(Change::Put(parsed(&same))));
    assert!(!pods.pods(Change::All(vec![parsed(&same), parsed(&replica("db-1"))])));
    assert!(!pods.pods(Change::Gone(parsed(&primary("db-7")))));
    same["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert!(pods.pods(Change::Put(parsed(&same))));
    assert!(pods.servers()[0].deleting);
    assert!(pods.pods(Change::All(vec![parsed(&replica("db-1"))])), "gone while nobody looked");
    assert_eq!(pods.servers().len(), 1);
}

#[test]
fn an_annotation_drains_a_server() {
    let mut pods = Pods::new(&settings(Preset::Moco));
    let mut pod = replica("db-1");
    for (value, drain) in [("false", None), ("true", Some(Drain::Annotation)), ("", None)] {
        pod["metadata"]["annotations"] = json!({"pointsman/drain": value, "others": "are long"});
        pods.pods(Change::All(vec![parsed(&primary("db-0")), parsed(&pod)]));
        assert_eq!(pods.servers().iter().map(|s| s.drain).collect::<Vec<_>>(), [None, drain], "{value}");
    }
    pod["metadata"]["annotations"] = json!({"pointsman/drain": "true"});
    assert!(pods.pods(Change::Put(parsed(&pod))));
    pod["metadata"]["annotations"] = json!({});
    assert!(pods.pods(Change::Put(parsed(&pod))));
    assert_eq!(pods.servers()[1].drain, None);
}

#[test]
fn another_pod_of_the_same_name_is_another_server() {
    let mut pods = Pods::new(&settings(Preset::Moco));
    pods.pods(Change::All(vec![parsed(&primary("db-0"))]));
    let before = pods.servers();
    let mut another = primary("db-0");
    another["metadata"]["uid"] = json!("another");
    assert!(pods.pods(Change::Put(parsed(&another))));
    assert_ne!(pods.servers()[0].uid, before[0].uid);
}

#[test]
fn who_loses_its_label_stays_and_who_never_had_one_is_left_out() {
    let mut pods = Pods::new(&settings(Preset::Moco));
    pods.pods(Change::All(vec![parsed(&primary("db-0")), parsed(&pod("db-1", &[]))]));
    assert_eq!(labels(&pods.servers()), [("db-0", Some(Label::Primary))], "db-1 is being set up");
    pods.pods(Change::Put(parsed(&pod("db-0", &[]))));
    assert_eq!(labels(&pods.servers()), [("db-0", Some(Label::Absent))]);
    let mut again = pod("db-0", &[]);
    again["metadata"]["uid"] = json!("another");
    pods.pods(Change::Put(parsed(&again)));
    assert!(pods.servers().is_empty(), "another pod has no past");
}

#[test]
fn no_role_can_mean_replica() {
    let labels = |no_role| Labels {
        role: "role".into(),
        primary: vec!["primary".into()],
        no_role,
        ..Labels::default()
    };
    let custom = |no_role| Kubernetes { labels: labels(no_role), ..settings(Preset::Custom) };
    let all = [pod("db-0", &[]), pod("db-1", &[])];
    assert_eq!(super::labels(&servers(&custom(NoRole::Replica), &all))[0].1, Some(Label::Replica));
    assert_eq!(super::labels(&servers(&custom(NoRole::Probe), &all))[0].1, None);
    assert!(servers(&custom(NoRole::LeaveOut), &all).is_empty());
}

#[test]
fn the_zone_is_the_pods_label_or_its_nodes_or_configured() {
    let zones = vec![PodZone { server: "db-0".into(), zone: "configured".into() }];
    let mut pods = Pods::new(&Kubernetes { zones, ..settings(Preset::Moco) });
    let zone = |pods: &Pods| pods.servers()[0].zone.as_deref().map(str::to_owned);
    pods.pods(Change::All(vec![parsed(&primary("db-0"))]));
    assert_eq!(zone(&pods).as_deref(), Some("configured"));
    let node = |zone: &str| {
        let labels = json!({"topology.kubernetes.io/zone": zone});
        serde_json::from_value(json!({"metadata": {"name": "node-0", "labels": labels}})).unwrap()
    };
    assert!(pods.nodes(Change::All(vec![node("of-node")])));
    assert_eq!(zone(&pods).as_deref(), Some("of-node"));
    assert_eq!((pods.zone_of("node-0").as_deref(), pods.zone_of("node-1")), (Some("of-node"), None));
    assert!(!pods.nodes(Change::Put(node("of-node"))));
    let mut labelled = primary("db-0");
    labelled["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!("of-pod");
    pods.pods(Change::Put(parsed(&labelled)));
    assert_eq!(zone(&pods).as_deref(), Some("of-pod"));
    pods.pods(Change::Put(parsed(&primary("db-0"))));
    assert!(pods.nodes(Change::Gone(node("of-node"))));
    assert_eq!(zone(&pods).as_deref(), Some("configured"));
}

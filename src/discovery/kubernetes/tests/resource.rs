//! The operator's resource: what is read from it, and how it changes the pods' roles.

use std::time::Duration;

use tokio::task::LocalSet;

use super::server::ApiServer;
use super::watching::TIMES;
use super::*;
use crate::discovery::kubernetes::resource::{ClusterResource, ResourceFacts, ResourceKind};
use crate::discovery::kubernetes::{Access, watch_in};
use crate::topology::Maintenance;

const ROLE: &str = "k8s.mariadb.com/role";

fn reading(preset: Preset) -> Kubernetes {
    Kubernetes { read_resource: true, ..settings(preset) }
}

fn facts_of(preset: Preset, spec: Value, status: Value) -> ResourceFacts {
    let kind = ResourceKind::of(&reading(preset)).unwrap();
    let resource = json!({"metadata": {"name": "c"}, "spec": spec, "status": status});
    let resource: ClusterResource = serde_json::from_value(resource).unwrap();
    kind.facts_of(Change::Put(resource)).unwrap()
}

#[test]
fn only_who_wants_it_reads_one() {
    assert!(ResourceKind::of(&settings(Preset::Moco)).is_none());
    for (preset, plural) in [
        (Preset::Moco, "mysqlclusters"),
        (Preset::MariaDbOperator, "mariadbs"),
        (Preset::MariaDbOperatorGalera, "mariadbs"),
    ] {
        assert_eq!(ResourceKind::of(&reading(preset)).unwrap().plural, plural);
    }
}

#[test]
fn each_names_its_primary_in_its_own_way() {
    let primary = |preset, status| facts_of(preset, json!({}), status).primary;
    assert_eq!(
        primary(Preset::MariaDbOperator, json!({"currentPrimary": "c-1", "currentPrimaryPodIndex": 1})),
        Some("c-1".into())
    );
    assert_eq!(primary(Preset::Moco, json!({"currentPrimaryIndex": 2})), Some("moco-c-2".into()));
    for nobody in [json!(null), json!({}), json!({"currentPrimary": null}), json!({"currentPrimary": ""})] {
        assert_eq!(primary(Preset::MariaDbOperator, nobody), None);
    }
}

#[test]
fn maintenance_is_what_is_asked_for_while_it_is_enabled() {
    let asked = |maintenance| {
        let spec = json!({"image": "mariadb", "maintenance": maintenance});
        facts_of(Preset::MariaDbOperator, spec, json!(null)).maintenance
    };
    let all = json!({"enabled": true, "cordon": true, "drainConnections": true, "readOnly": true});
    let of = |cordoned, drain: Option<u64>, read_only| Maintenance {
        cordoned,
        drain: drain.map(Duration::from_secs),
        read_only,
    };
    assert_eq!(asked(all.clone()), of(true, Some(30), true));
    let mut patient = all.clone();
    patient["drainGracePeriodSeconds"] = json!(7);
    assert_eq!(asked(patient), of(true, Some(7), true));
    assert_eq!(asked(json!({"enabled": true, "readOnly": true})), of(false, None, true));
    let mut disabled = all;
    disabled["enabled"] = json!(false);
    for none in [disabled, json!(null), json!({"cordon": true}), json!({"enabled": true})] {
        assert_eq!(asked(none), Maintenance::default());
    }
}

#[test]
fn another_resource_says_nothing_and_one_that_goes_asks_for_nothing() {
    let kind = ResourceKind::of(&reading(Preset::Moco)).unwrap();
    let resource = |name: &str| -> ClusterResource {
        serde_json::from_value(json!({"metadata": {"name": name}, "status": {"currentPrimaryIndex": 0}}))
            .unwrap()
    };
    assert!(kind.facts_of(Change::Put(resource("d"))).is_none());
    assert!(kind.facts_of(Change::Gone(resource("d"))).is_none());
    assert_eq!(kind.facts_of(Change::Gone(resource("c"))), Some(ResourceFacts::default()));
    assert_eq!(kind.facts_of(Change::All(vec![resource("d")])), Some(ResourceFacts::default()));
    let all = kind.facts_of(Change::All(vec![resource("d"), resource("c")])).unwrap();
    assert_eq!(all.primary.as_deref(), Some("moco-c-0"));
}

#[test]
fn the_named_pod_is_the_primary_as_much_as_the_labelled_one() {
    let mut pods = Pods::new(&settings(Preset::MariaDbOperator));
    let with = |name: &str, role: &str| parsed(&pod(name, &[(ROLE, role)]));
    let bare = parsed(&pod("c-3", &[]));
    pods.pods(Change::All(vec![
        with("c-0", "primary"),
        with("c-1", "replica"),
        with("c-2", "replica"),
        bare,
    ]));
    let is = |pods: &Pods, wanted: &[Label]| {
        let now: Vec<_> = pods.servers().iter().filter_map(|server| server.label).collect();
        assert_eq!(now, wanted);
    };
    use Label::{Absent, Primary, Replica};
    assert!(pods.primary_is(Some("c-0".into())));
    assert!(!pods.primary_is(Some("c-0".into())), "nothing new");
    is(&pods, &[Primary, Replica, Replica]);
    // The resource changes first: the label that is still there may be right, too.
    pods.primary_is(Some("c-1".into()));
    is(&pods, &[Primary, Primary, Replica]);
    // Both agree: the dead pod's label is outdated.
    pods.pods(Change::Put(with("c-1", "primary")));
    is(&pods, &[Absent, Primary, Replica]);
    pods.pods(Change::Put(with("c-0", "replica")));
    is(&pods, &[Replica, Primary, Replica]);
    // The label changes first.
    pods.pods(Change::Put(with("c-2", "primary")));
    pods.pods(Change::Put(with("c-1", "replica")));
    is(&pods, &[Replica, Primary, Primary]);
    // A pod without a label is being set up, whatever the resource says.
    pods.primary_is(Some("c-3".into()));
    is(&pods, &[Replica, Replica, Primary]);
}

#[tokio::test]
async fn it_is_watched_by_its_name_in_its_own_group() {
    LocalSet::new()
        .run_until(async {
            let api = ApiServer::start().await;
            let access = Access::Given(Box::new(api.config()));
            let watched = watch_in(&reading(Preset::MariaDbOperator), access, None, TIMES);
            watched.states[1].clone().wait_for(|state| state.connected).await.unwrap();
            assert_eq!(watched.states[1].borrow().resource, "mariadbs");
            let path = "/apis/k8s.mariadb.com/v1alpha1/namespaces/ns/mariadbs?limit";
            assert!(api.asked(path) > 0 && api.asked("fieldSelector=metadata.name%3Dc") > 0);
            let mut maintenance = watched.maintenance.clone();
            let asked = json!({"enabled": true, "cordon": true});
            api.put(json!({"metadata": {"name": "c"}, "spec": {"maintenance": asked, "containers": []}}));
            maintenance.wait_for(|asked| asked.cordoned).await.unwrap();
            api.delete("c");
            maintenance.wait_for(|asked| !asked.cordoned).await.unwrap();
        })
        .await;
}

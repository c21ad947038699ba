//! `[discovery]` with kind = "kubernetes".

use super::*;

/// The shortest valid configuration for servers that are pods.
const PODS: &str = r#"[monitor]
user = "m"
password = "m"
[[users]]
name = "app"
password = "app"
[discovery]
kind = "kubernetes"
"#;

fn pods(more: &str) -> Kubernetes {
    let config = parse(&format!("{PODS}{more}")).unwrap();
    assert!(config.live.servers.is_empty());
    match config.fixed.discovery {
        Discovery::Kubernetes(pods) => *pods,
        Discovery::Static => panic!("it is static"),
    }
}

fn problems_with(more: &str) -> Vec<String> {
    problems(&format!("{PODS}{more}"))
}

#[test]
fn an_operator_needs_two_lines() {
    let pods = pods("preset = \"mariadb-operator\"\ncluster = \"shop\"\n");
    assert_eq!((pods.preset, &*pods.cluster), (Preset::MariaDbOperator, "shop"));
    assert_eq!((pods.namespace, pods.port, pods.read_nodes), (None, None, false));
}

#[test]
fn every_preset_is_a_word() {
    for (word, preset) in Preset::WORDS.iter().filter(|(word, _)| *word != "custom") {
        let app = if *preset == Preset::Canonical { "component = \"app\"\n" } else { "" };
        assert_eq!(pods(&format!("preset = {word:?}\ncluster = \"c\"\n{app}")).preset, *preset);
    }
}

#[test]
fn a_custom_cluster_says_all_of_it() {
    let custom = pods(
        "preset = \"custom\"\nselector = \"app=db\"\nrole_label = \"r\"\nprimary = [\"rw\", \"master\"]\n\
         replica = \"ro\"\nno_role = \"probe\"\nhealth_label = \"ok=1\"\nleave_out = [\"backup\"]\nport = 3307\n",
    );
    let labels = &custom.labels;
    assert_eq!((&*labels.selector, &*labels.role, &*labels.health), ("app=db", "r", "ok=1"));
    assert_eq!(labels.primary, ["rw".into(), "master".into()]);
    assert_eq!((labels.replica.len(), labels.no_role, labels.leave_out.len()), (1, NoRole::Probe, 1));
    assert_eq!(custom.port, Some(PodPort::Number(3307.try_into().unwrap())));

    let bare = pods("preset = \"custom\"\nselector = \"app=db\"\n").labels;
    assert_eq!((&*bare.role, &*bare.primary[0], &*bare.replica[0]), ("", "primary", "replica"));
}

#[test]
fn what_is_printed_of_pods_reads_back() {
    for more in [
        "preset = \"kubeblocks\"\ncluster = \"c\"\nnamespace = \"n\"\nport = 3307\nread_nodes = true\nzones = [\"a=z\"]\n",
        "preset = \"custom\"\nselector = \"a in (b, c)\"\nrole_label = \"r\"\nhealth_label = \"ok=1\"\nport = \"db\"\n",
        "preset = \"custom\"\nselector = \"a\"\n",
        "preset = \"moco\"\ncluster = \"c\"\nread_resource = true\n",
    ] {
        let config = parse(&format!("{PODS}{more}")).unwrap();
        assert_eq!(parse(&config.to_string()).unwrap().fixed, config.fixed, "{config}");
    }
}

#[test]
fn what_is_missing_or_out_of_place_is_named() {
    assert_eq!(
        problems_with("preset = \"moco\"\n"),
        ["line 7: discovery.cluster: is missing; write cluster = \"my-cluster\""]
    );
    assert!(
        problems_with("cluster = \"c\"\n")[0]
            .contains("discovery.preset: is missing; write one of \"mariadb")
    );
    assert_eq!(
        problems_with("preset = \"moco\"\ncluster = \"c\"\ncomponent = \"d\"\nselector = \"a\"\n"),
        [
            "line 11: discovery.component: goes with the presets \"kubeblocks\" and \"canonical\"; leave it out",
            "line 12: discovery.selector: goes with preset = \"custom\"; leave it out",
        ]
    );
    assert_eq!(
        problems_with(
            "preset = \"custom\"\nselector = \"a\"\ncluster = \"c\"\nreplica = \"r\"\nhealth_label = \"h\"\n"
        ),
        [
            "line 11: discovery.cluster: goes with an operator's preset; with \"custom\" write selector",
            "line 12: discovery.replica: says nothing without role_label; write role_label, or leave it out",
            "line 13: discovery.health_label: \"h\" has no value; write \"healthy=yes\"",
        ]
    );
    assert_eq!(
        problems_with("preset = \"moco\"\ncluster = \"a b\"\nport = 0\nread_nodes = 1\nzones = [\"a\"]\n"),
        [
            "line 10: discovery.cluster: \"a b\" is no name in Kubernetes; write cluster = \"my-cluster\"",
            "line 11: discovery.port: is 0; write a whole number from 1 to 65535",
            "line 12: discovery.read_nodes: is 1; write true or false",
            "line 13: discovery.zones: \"a\" is no pod and its zone; write [\"db-0=eu-central-1a\"]",
        ]
    );
}

#[test]
fn only_some_operators_have_a_resource_to_read() {
    assert!(pods("preset = \"mariadb-operator\"\ncluster = \"c\"\nread_resource = true\n").read_resource);
    assert!(!pods("preset = \"bitpoke\"\ncluster = \"c\"\nread_resource = false\n").read_resource);
    assert_eq!(
        problems_with("preset = \"bitpoke\"\ncluster = \"c\"\nread_resource = true\n"),
        [
            "line 11: discovery.read_resource: goes with the presets \"mariadb-operator\", \"mariadb-operator-galera\" \
          and \"moco\"; leave it out"
        ]
    );
}

#[test]
fn the_two_kinds_do_not_mix() {
    assert_eq!(
        problems_with(
            "preset = \"moco\"\ncluster = \"c\"\n[[discovery.servers]]\nname = \"a\"\naddress = \"a:1\"\n"
        ),
        ["line 11: discovery.servers: belongs to kind = \"static\"; the pods are the servers, leave it out"]
    );
    assert_eq!(
        problems(&format!("{LEAST}[discovery]\ncluster = \"c\"\n").replace(
            "[[discovery.servers]]\nname = \"a\"\naddress = \"a:3306\"\n[discovery]",
            "[discovery]\nservers = [{name = \"a\", address = \"a:1\"}]"
        )),
        ["line 9: discovery.cluster: belongs to kind = \"kubernetes\"; leave it out"]
    );
}

#[test]
fn passwords_are_in_secrets() {
    let text = format!("{PODS}preset = \"moco\"\ncluster = \"c\"\n")
        .replace("password = \"m\"", "secret = \"ops/monitor\"")
        .replace("password = \"app\"", "secret = \"apps.x/app_1\"");
    let config = parse(&text).unwrap();
    let at = |name: &str, key: &str| SecretRef { name: name.into(), key: key.into() };
    assert_eq!(
        config.secrets,
        [
            SecretUse { account: Account::Monitor, at: at("ops", "monitor") },
            SecretUse { account: Account::User("app".into()), at: at("apps.x", "app_1") },
        ]
    );
    let printed = parse(&config.to_string()).unwrap();
    assert_eq!(Config { fingerprint: config.fingerprint.clone(), ..printed }, config);
    assert!(config.live_with(|_| None).users.is_empty());
    let live = config.live_with(|used| Some(Secret::new(format!("of {}", used.at.key))));
    assert_eq!(
        (live.monitor.password.expose(), live.users["app"].password.as_ref().unwrap().expose()),
        ("of monitor", "of app_1")
    );
}

#[test]
fn secrets_that_are_none() {
    for wrong in ["ops", "ops/", "/monitor", "a b/c", "a/b/c"] {
        let text = format!("{PODS}preset = \"moco\"\ncluster = \"c\"\n")
            .replace("password = \"m\"", &format!("secret = {wrong:?}"));
        let wanted = String::from(
            "line 3: monitor.secret: is no Secret and its key; write \"my-cluster-root/password\"",
        );
        assert_eq!(problems(&text), [wanted]);
    }
    assert_eq!(
        problems(&LEAST.replace("password = \"m\"", "secret = \"ops/monitor\"")),
        ["line 3: monitor.secret: needs discovery.kind = \"kubernetes\"; write password_file"]
    );
}

#[test]
fn events_are_for_pods() {
    let wanted = format!("{PODS}preset = \"moco\"\ncluster = \"c\"\n[notify]\nevents = true\n");
    let config = parse(&wanted).unwrap();
    assert!(config.live.notify.events);
    assert_eq!(parse(&config.to_string()).unwrap().live.notify, config.live.notify);
    assert!(!parse(&wanted.replace("events = true\n", "")).unwrap().live.notify.events);
    assert_eq!(
        problems(&format!("{LEAST}[notify]\nevents = true\n")),
        [
            "line 11: notify.events: needs discovery.kind = \"kubernetes\": they are Events of pods; leave it out"
        ]
    );
    assert!(!parse(&format!("{LEAST}[notify]\nevents = false\n")).unwrap().live.notify.events);
}

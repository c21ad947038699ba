//! Each preset's operator at work: the order in which its labels and its servers change, in a planned switchover and
//! in a crash with the old primary's return, on a real API server and real servers, under clients that write and keep
//! books. `tests/it/kubernetes.rs` has mariadb-operator's in more detail; the groups have their rules in the unit tests.

use crate::dialogue::writers::{TABLES, Writers};
use crate::dialogue::{eventually, patient, readers_are, topology, writer_is};
use crate::support::{Cluster, Kubernetes, MUCH, Pods, Proxy, config_without_servers, room_for};
use std::cell::Cell;
use std::rc::Rc;
use tokio::task::LocalSet;

/// A label and its value; None takes it away.
type Label = (&'static str, Option<&'static str>);

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Labels of the primary of before, and of the next.
    Old(&'static [Label]),
    New(&'static [Label]),
    /// The old one becomes read-only, then the new one writable.
    Switch,
    Kill,
    Promote,
    /// The old one is back, writable, and gets no write.
    Back,
    /// The old one is restored as a replica.
    Rejoin,
    /// The new one is the writer, and every client was answered.
    Moved,
    /// The old one still is.
    Stays,
    /// Nobody is the writer.
    Waits,
}
use Step::*;

/// What the pods carry.
enum Labels {
    /// What `deploy/presets.toml` says.
    OfTable,
    /// The same, but no roles at first.
    Late,
    /// These, and no roles.
    Own(&'static [(&'static str, &'static str)]),
}

/// Keys and values.
type Carried = Vec<(String, String)>;

/// The pods of an operator.
struct Made {
    /// The container port's name.
    port: String,
    /// What all pods carry.
    common: Carried,
    primary: Carried,
    replica: Carried,
}

impl Made {
    fn by(operator: &Operator) -> Self {
        if let Labels::Own(common) = operator.labels {
            let common = common.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            return Made { port: "mysql".to_owned(), common, primary: Vec::new(), replica: Vec::new() };
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/presets.toml");
        let table: toml::Table = std::fs::read_to_string(path).expect(path).parse().expect(path);
        let config: toml::Table = operator.config.parse().expect("TOML");
        let named = |key: &str| config.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let mut facts = table["preset"].as_array().expect("presets").iter();
        let fact = facts.find(|fact| fact["name"].as_str() == Some(operator.preset)).expect("facts");
        let carried = |key: &str| {
            let all = fact[key].as_table().expect("labels").iter();
            let filled = |value: &toml::Value| {
                let text = value.as_str().expect("a text");
                text.replace("<c>", named("cluster")).replace("<component>", named("component"))
            };
            all.map(|(key, value)| (key.clone(), filled(value))).collect::<Carried>()
        };
        let roles =
            |key: &str| if matches!(operator.labels, Labels::Late) { Vec::new() } else { carried(key) };
        let port = fact["port"].as_str().filter(|port| !port.is_empty()).unwrap_or(named("port"));
        Made {
            port: port.to_owned(),
            common: carried("common"),
            primary: roles("primary"),
            replica: roles("replica"),
        }
    }
}

struct Operator {
    preset: &'static str,
    /// More of the section `discovery`.
    config: &'static str,
    labels: Labels,
    planned: &'static [Step],
    crash: &'static [Step],
}

const fn yes(key: &'static str, value: &'static str) -> Label {
    (key, Some(value))
}

const OPERATORS: [Operator; 9] = [
    Operator {
        preset: "mariadb-operator",
        config: "cluster = \"c\"",
        labels: Labels::OfTable,
        // The labels follow; a dead pod keeps its own.
        planned: &[
            Switch,
            Moved,
            Old(&[yes("k8s.mariadb.com/role", "replica")]),
            New(&[yes("k8s.mariadb.com/role", "primary")]),
        ],
        crash: &[
            Kill,
            Promote,
            New(&[yes("k8s.mariadb.com/role", "primary")]),
            Moved,
            Back,
            Old(&[yes("k8s.mariadb.com/role", "replica")]),
            Rejoin,
        ],
    },
    Operator {
        preset: "radondb",
        config: "cluster = \"c\"",
        labels: Labels::OfTable,
        // Xenon moves the role, and the operator looks every five seconds.
        planned: &[Switch, Moved, New(&[yes("role", "LEADER")]), Old(&[yes("role", "FOLLOWER")])],
        crash: &[
            Kill,
            Old(&[yes("healthy", "no")]),
            Promote,
            New(&[yes("healthy", "no"), yes("role", "LEADER")]),
            New(&[yes("healthy", "yes")]),
            Moved,
            Back,
            Old(&[yes("role", "IDLE")]),
            Rejoin,
            Old(&[yes("role", "FOLLOWER"), yes("healthy", "yes")]),
        ],
    },
    Operator {
        preset: "bitpoke",
        config: "cluster = \"c\"",
        labels: Labels::OfTable,
        // Two masters for a while.
        planned: &[New(&[yes("role", "master")]), Stays, Switch, Moved, Old(&[yes("role", "replica")])],
        crash: &[
            Kill,
            Old(&[yes("healthy", "no")]),
            Promote,
            New(&[yes("role", "master")]),
            Moved,
            Back,
            Old(&[yes("healthy", "yes")]),
            Moved,
            Rejoin,
            Old(&[yes("role", "replica")]),
        ],
    },
    Operator {
        preset: "percona-ps",
        config: "cluster = \"c\"",
        // Nobody has the label before the first change.
        labels: Labels::Late,
        planned: &[Switch, Moved, New(&[yes("mysql.percona.com/primary", "true")])],
        // The old label goes first.
        crash: &[
            Kill,
            Old(&[("mysql.percona.com/primary", None)]),
            Promote,
            New(&[yes("mysql.percona.com/primary", "true")]),
            Moved,
            Back,
            Rejoin,
        ],
    },
    Operator {
        preset: "moco",
        config: "cluster = \"c\"",
        labels: Labels::OfTable,
        // The label comes before the server is writable.
        planned: &[
            New(&[yes("moco.cybozu.com/role", "primary")]),
            Old(&[yes("moco.cybozu.com/role", "replica")]),
            Stays,
            Switch,
            Moved,
        ],
        crash: &[
            Kill,
            New(&[yes("moco.cybozu.com/role", "primary")]),
            Old(&[yes("moco.cybozu.com/role", "replica")]),
            Waits,
            Promote,
            Moved,
            Back,
            Rejoin,
        ],
    },
    Operator {
        preset: "kubeblocks",
        config: "cluster = \"c\"\ncomponent = \"db\"",
        labels: Labels::OfTable,
        // Old pods may keep their role.
        planned: &[
            Switch,
            New(&[yes("kubeblocks.io/role", "primary")]),
            Moved,
            Old(&[yes("kubeblocks.io/role", "secondary")]),
        ],
        crash: &[
            Kill,
            Promote,
            New(&[yes("kubeblocks.io/role", "leader")]),
            Moved,
            Back,
            Rejoin,
            Moved,
            Old(&[yes("kubeblocks.io/role", "follower")]),
        ],
    },
    Operator {
        preset: "kubedb",
        config: "cluster = \"c\"",
        labels: Labels::OfTable,
        planned: &[
            Switch,
            New(&[yes("kubedb.com/role", "primary")]),
            Old(&[yes("kubedb.com/role", "standby")]),
            Moved,
        ],
        crash: &[
            Kill,
            Promote,
            New(&[yes("kubedb.com/role", "primary")]),
            Old(&[("kubedb.com/role", None)]),
            Moved,
            Rejoin,
            Old(&[yes("kubedb.com/role", "standby")]),
        ],
    },
    Operator {
        preset: "canonical",
        // These pods name no port; servers of a test have others than 3306.
        config: "cluster = \"c\"\ncomponent = \"mysql-k8s\"\nport = \"test\"",
        labels: Labels::OfTable,
        // The labels are minutes late: what clients were told, and the old one's position, say enough.
        planned: &[Switch, Moved, Old(&[yes("role", "replicas")]), New(&[yes("role", "primary")])],
        crash: &[
            Kill,
            Promote,
            Moved,
            Back,
            Rejoin,
            New(&[yes("role", "primary")]),
            Old(&[yes("role", "replicas")]),
        ],
    },
    Operator {
        preset: "custom",
        config: "selector = \"app=slightshift-mysql,mysql-node=true\"",
        // Nobody says a role.
        labels: Labels::Own(&[("app", "slightshift-mysql"), ("mysql-node", "true")]),
        planned: &[Switch, Moved],
        crash: &[Kill, Promote, Moved, Back, Rejoin],
    },
];

struct Scene {
    proxy: Proxy,
    cluster: Cluster,
    pods: Pods,
    writers: Writers,
    old: usize,
    new: usize,
}

const SERVERS: usize = 3;

async fn begin(kubernetes: &Kubernetes, operator: &Operator) -> Scene {
    let cluster = Cluster::mariadb(SERVERS - 1).await;
    cluster.primary().acknowledge_alone(false).await;
    cluster.primary().sql(TABLES).await;
    cluster.wait_caught_up().await;
    let mut pods = kubernetes.namespace(operator.preset).await;
    let made = Made::by(operator);
    // For the length of the test.
    pods.port = made.port.leak();
    for (number, server) in cluster.servers().iter().enumerate() {
        let role = if number == 0 { &made.primary } else { &made.replica };
        let labels = made.common.iter().chain(role).map(|(key, value)| (key.as_str(), value.as_str()));
        pods.create(&name(number), "127.0.0.1", server.port(), &labels.collect::<Vec<_>>()).await;
    }
    let discovery = format!(
        "\n[discovery]\nkind = \"kubernetes\"\npreset = \"{}\"\n{}",
        operator.preset, operator.config
    );
    let kubeconfig = kubernetes.kubeconfig(operator.preset).display().to_string();
    let config = patient(&(config_without_servers() + &discovery)) + "\n[failover]\nhold = \"120s\"\n";
    let mut proxy = Proxy::start_with(&config, &[("KUBECONFIG", &kubeconfig)]);
    proxy.wait_ready().await;
    assert_eq!(writer_is(&proxy, 0).await, 1, "{}: the first generation", operator.preset);
    readers_are(&proxy, SERVERS - 1).await;
    let writers = Writers::start(&proxy, 4).await;
    Scene { proxy, cluster, pods, writers, old: 0, new: 1 }
}

fn name(number: usize) -> String {
    format!("db-{number}")
}

impl Scene {
    async fn step(&mut self, step: Step) {
        let Scene { proxy, cluster, pods, writers, old, new } = self;
        let (old, new) = (*old, *new);
        match step {
            Old(labels) => say(pods, old, labels).await,
            New(labels) => say(pods, new, labels).await,
            Switch => {
                // As a replica it must not wait for one of its own.
                cluster.server(old).acknowledge_alone(true).await;
                cluster.switchover(new).await;
                cluster.server(new).acknowledge_alone(false).await;
            }
            Kill => cluster.server_mut(old).kill(),
            Promote => {
                cluster.promote(new).await;
                cluster.server(new).acknowledge_alone(false).await;
            }
            Back => {
                writers.enter_phase(new);
                cluster.server_mut(old).restart().await;
                eventually("the old primary is seen", async || {
                    let now = topology(proxy).await;
                    let back = now["servers"]
                        .as_array()?
                        .iter()
                        .any(|s| s["name"] == name(old) && s["health"] == "up");
                    back.then_some(())
                })
                .await;
                writers.each_wrote().await;
                let strays = format!("SELECT COUNT(*) FROM test.log WHERE token LIKE '%-p{new}-%'");
                assert_eq!(cluster.server(old).value(&strays).await, "0", "writes on {}", name(old));
            }
            Rejoin => cluster.rejoin(old).await,
            Moved => {
                writer_is(proxy, new).await;
                writers.each_wrote().await;
            }
            Stays => {
                writer_is(proxy, old).await;
                writers.each_wrote().await;
            }
            Waits => {
                eventually("the loss is seen", async || {
                    topology(proxy).await["writer"].is_null().then_some(())
                })
                .await;
            }
        }
    }
}

async fn say(pods: &Pods, number: usize, labels: &[Label]) {
    for (key, value) in labels {
        pods.label(&name(number), key, *value).await;
    }
}

/// Both stories of an operator; each is one change of the writer, not two.
async fn play(kubernetes: &Kubernetes, operator: &Operator) {
    let mut scene = begin(kubernetes, operator).await;
    for (number, story) in [operator.planned, operator.crash].into_iter().enumerate() {
        (scene.old, scene.new) = (number, number + 1);
        for step in story {
            eprintln!("{}: db-{number}, db-{}: {step:?}", operator.preset, number + 1);
            scene.step(*step).await;
        }
        let generation = writer_is(&scene.proxy, scene.new).await;
        assert_eq!(generation, 2 + number as u64, "{}", operator.preset);
        readers_are(&scene.proxy, SERVERS - 1).await;
        eventually("a commit waits for a replica", async || {
            scene.cluster.primary().is_semi_sync().await.then_some(())
        })
        .await;
    }
    let books = scene.writers.compare(scene.cluster.primary()).await;
    assert!(!books.is_empty());
}

/// So many operators at a time.
const LANES: usize = 3;

#[tokio::test]
async fn every_operator_changes_its_primary() {
    let _place = room_for(MUCH).await;
    let Some(kubernetes) = Kubernetes::start().await else { return };
    let (kubernetes, next) = (Rc::new(kubernetes), Rc::new(Cell::new(0)));
    let local = LocalSet::new();
    let lanes = (0..LANES).map(|_| {
        let (kubernetes, next) = (kubernetes.clone(), next.clone());
        local.spawn_local(async move {
            while let Some(operator) = OPERATORS.get(next.replace(next.get() + 1)) {
                play(&kubernetes, operator).await;
            }
        })
    });
    let lanes: Vec<_> = lanes.collect();
    local
        .run_until(async {
            for lane in lanes {
                lane.await.expect("an operator");
            }
        })
        .await;
}

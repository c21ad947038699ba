//! Each preset's operator at work: the order in which its labels and its servers change, in a planned switchover and
//! in a crash with the old primary's return, on a real API server and real servers, under clients that write and keep
//! books. `tests/kubernetes.rs` has mariadb-operator's in more detail; the groups have their rules in the unit tests.

mod dialogue;
mod support;
#[path = "failover/writers.rs"]
#[allow(dead_code)]
mod writers;

use dialogue::{eventually, patient, readers_are, topology, writer_is};
use std::cell::Cell;
use std::rc::Rc;
use support::{Cluster, Kubernetes, Pods, Proxy, config_without_servers};
use tokio::task::LocalSet;
use writers::{TABLES, Writers};

/// A label and its value; None takes it away.
type Said = (&'static str, Option<&'static str>);

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Labels of the primary of before, and of the next.
    Old(&'static [Said]),
    New(&'static [Said]),
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

struct Operator {
    preset: &'static str,
    /// More of the section `discovery`.
    config: &'static str,
    /// The container port's name.
    port: &'static str,
    /// What all pods carry.
    common: &'static [(&'static str, &'static str)],
    primary: &'static [(&'static str, &'static str)],
    replica: &'static [(&'static str, &'static str)],
    planned: &'static [Step],
    crash: &'static [Step],
}

const fn yes(key: &'static str, value: &'static str) -> Said {
    (key, Some(value))
}

const OPERATORS: [Operator; 9] = [
    Operator {
        preset: "mariadb-operator",
        config: "cluster = \"c\"",
        port: "mariadb",
        common: &[("app.kubernetes.io/name", "mariadb"), ("app.kubernetes.io/instance", "c")],
        primary: &[("k8s.mariadb.com/role", "primary")],
        replica: &[("k8s.mariadb.com/role", "replica")],
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
        port: "mysql",
        common: &[
            ("mysql.radondb.com/cluster", "c"),
            ("app.kubernetes.io/managed-by", "mysql.radondb.com"),
            ("app.kubernetes.io/name", "mysql"),
        ],
        primary: &[("role", "LEADER"), ("healthy", "yes")],
        replica: &[("role", "FOLLOWER"), ("healthy", "yes")],
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
        port: "mysql",
        common: &[
            ("mysql.presslabs.org/cluster", "c"),
            ("app.kubernetes.io/name", "mysql"),
            ("app.kubernetes.io/managed-by", "mysql.presslabs.org"),
        ],
        primary: &[("role", "master"), ("healthy", "yes")],
        replica: &[("role", "replica"), ("healthy", "yes")],
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
        port: "mysql",
        common: &[
            ("app.kubernetes.io/name", "mysql"),
            ("app.kubernetes.io/instance", "c"),
            ("app.kubernetes.io/component", "database"),
            ("app.kubernetes.io/managed-by", "percona-server-mysql-operator"),
        ],
        // Nobody has the label before the first change.
        primary: &[],
        replica: &[],
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
        port: "mysql",
        common: &[
            ("app.kubernetes.io/name", "mysql"),
            ("app.kubernetes.io/instance", "c"),
            ("app.kubernetes.io/created-by", "moco"),
        ],
        primary: &[("moco.cybozu.com/role", "primary")],
        replica: &[("moco.cybozu.com/role", "replica")],
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
        port: "mysql",
        common: &[
            ("app.kubernetes.io/managed-by", "kubeblocks"),
            ("app.kubernetes.io/instance", "c"),
            ("apps.kubeblocks.io/component-name", "db"),
        ],
        primary: &[("kubeblocks.io/role", "primary")],
        replica: &[("kubeblocks.io/role", "secondary")],
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
        port: "db",
        common: &[
            ("app.kubernetes.io/name", "mysqls.kubedb.com"),
            ("app.kubernetes.io/instance", "c"),
            ("app.kubernetes.io/managed-by", "kubedb.com"),
        ],
        primary: &[("kubedb.com/role", "primary")],
        replica: &[("kubedb.com/role", "standby")],
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
        // These pods name no port.
        config: "cluster = \"c\"\ncomponent = \"mysql-k8s\"\nport = \"test\"",
        port: "test",
        common: &[("application-name", "mysql-k8s"), ("cluster-name", "c")],
        primary: &[("role", "primary")],
        replica: &[("role", "replicas")],
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
        port: "mysql",
        common: &[("app", "slightshift-mysql"), ("mysql-node", "true")],
        // Nobody says a role.
        primary: &[],
        replica: &[],
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
    pods.port = operator.port;
    for (number, server) in cluster.servers().iter().enumerate() {
        let role = if number == 0 { operator.primary } else { operator.replica };
        pods.create(&name(number), "127.0.0.1", server.port(), &[operator.common, role].concat()).await;
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

async fn say(pods: &Pods, number: usize, labels: &[Said]) {
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

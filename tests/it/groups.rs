//! Servers that agree on their members themselves, behind pods of a real API server: a replication group and a Galera
//! cluster, their operators at work, and clients that write and keep books. What a label says follows what the group
//! has done, or, in a Galera cluster, is all that says who of them gets the writes.

use crate::dialogue::writers::{Readers, Writers};
use crate::dialogue::{eventually, patient, readers_are, topology, writer_is};
use crate::support::{Group, Kind, Kubernetes, Node, Pods, Proxy, config_without_servers};

/// Groups want a key.
const TABLE: &str = "CREATE TABLE test.log (n BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(60) NOT NULL)";

/// Three members with a pod each, db-0 the primary.
struct Scene {
    group: Group,
    pods: Pods,
    proxy: Proxy,
    writers: Writers,
    readers: Readers,
    /// Ends last.
    _kubernetes: Kubernetes,
}

/// What an operator's pods carry: all of them, the primary, another one.
struct Operator {
    preset: &'static str,
    kind: Kind,
    common: &'static [(&'static str, &'static str)],
    /// Key, primary, replica; None: this operator labels no roles.
    role: Option<(&'static str, &'static str, &'static str)>,
}

const ORACLE: Operator = Operator {
    preset: "oracle-innodbcluster",
    kind: Kind::MySql,
    common: &[("component", "mysqld"), ("tier", "mysql"), ("mysql.oracle.com/cluster", "c")],
    role: Some(("mysql.oracle.com/cluster-role", "PRIMARY", "SECONDARY")),
};

const GALERA: Operator = Operator {
    preset: "mariadb-operator-galera",
    kind: Kind::MariaDb,
    common: &[("app.kubernetes.io/name", "mariadb"), ("app.kubernetes.io/instance", "c")],
    role: Some(("k8s.mariadb.com/role", "primary", "replica")),
};

/// The add-on for MariaDB Galera labels every synced member as a primary.
const KUBEBLOCKS: Operator = Operator {
    preset: "kubeblocks",
    kind: Kind::MariaDb,
    common: &[
        ("app.kubernetes.io/managed-by", "kubeblocks"),
        ("app.kubernetes.io/instance", "c"),
        ("apps.kubeblocks.io/component-name", "mysql"),
    ],
    role: Some(("kubeblocks.io/role", "primary", "primary")),
};

const PXC: Operator = Operator {
    preset: "percona-pxc",
    kind: Kind::MariaDb,
    common: &[
        ("app.kubernetes.io/name", "percona-xtradb-cluster"),
        ("app.kubernetes.io/instance", "c"),
        ("app.kubernetes.io/component", "pxc"),
    ],
    role: None,
};

/// A Galera node says nothing for some seconds while the cluster goes on without a member that died, or sends one what
/// it missed: on a busy machine for more than nine. That is no change of its role, so it is down after 3 x 6 s only.
const GALERA_INTERVAL: &str = "interval = \"6s\"";

fn name(number: usize) -> String {
    format!("db-{number}")
}

impl Scene {
    async fn begin(operator: &Operator) -> Option<Self> {
        let kubernetes = Kubernetes::start().await?;
        let group = Group::start(operator.kind).await?;
        group.server(0).sql(TABLE).await;
        let mut pods = kubernetes.namespace(operator.preset).await;
        if operator.kind == Kind::MySql || operator.role.is_none() {
            pods.port = "mysql";
        }
        for (number, server) in group.servers().iter().enumerate() {
            let role = operator
                .role
                .map(|(key, primary, replica)| (key, if number == 0 { primary } else { replica }));
            let labels: Vec<_> = operator.common.iter().copied().chain(role).collect();
            pods.create(&name(number), "127.0.0.1", server.port(), &labels).await;
        }
        let discovery = format!(
            "\n[discovery]\nkind = \"kubernetes\"\npreset = \"{}\"\ncluster = \"c\"\n",
            operator.preset
        );
        let mut config =
            patient(&(config_without_servers() + &discovery)) + "\n[failover]\nhold = \"120s\"\n";
        if operator.kind == Kind::MariaDb {
            config = config.replace("interval = \"1s\"", GALERA_INTERVAL);
        }
        let kubeconfig = kubernetes.kubeconfig(operator.preset).display().to_string();
        let mut proxy = Proxy::start_with(&config, &[("KUBECONFIG", &kubeconfig)]);
        proxy.wait_ready().await;
        assert_eq!(writer_is(&proxy, 0).await, 1, "the first generation");
        readers_are(&proxy, 2).await;
        let writers = Writers::start(&proxy, 4).await;
        let readers = Readers::start(&proxy).await;
        Some(Scene { group, pods, proxy, writers, readers, _kubernetes: kubernetes })
    }

    async fn label(&self, operator: &Operator, number: usize, primary: bool) {
        let (key, yes, no) = operator.role.expect("an operator that labels");
        self.pods.label(&name(number), key, Some(if primary { yes } else { no })).await;
    }

    /// It is the writer, and every client was answered.
    async fn moved(&self, number: usize, generation: u64) {
        let reached = writer_is(&self.proxy, number).await;
        let changes = &topology(&self.proxy).await["history"];
        assert_eq!(reached, generation, "one change, not two: {changes:#}");
        self.writers.each_wrote().await;
    }

    async fn is_down(&self, number: usize) {
        eventually(&format!("db-{number} is down"), async || {
            (topology(&self.proxy).await["servers"][number]["health"] == "down").then_some(())
        })
        .await;
    }

    /// No read failed, and no write is missing, there twice or half.
    async fn settle(self, number: usize) {
        self.readers.settle().await;
        self.writers.compare(self.group.server(number)).await;
    }
}

/// Oracle's operator labels late, by minutes, and members of the view only: a dead primary stays labelled.
#[tokio::test]
async fn a_replication_group_says_itself_who_its_primary_is() {
    let Some(mut scene) = Scene::begin(&ORACLE).await else { return };
    scene.group.set_primary(1).await;
    scene.moved(1, 2).await;
    readers_are(&scene.proxy, 2).await;
    scene.label(&ORACLE, 1, true).await;
    scene.label(&ORACLE, 0, false).await;
    scene.moved(1, 2).await;

    scene.group.server_mut(1).kill();
    let next = eventually("the group has another primary", async || {
        scene.group.primary(0).await.filter(|primary| *primary != 1)
    })
    .await;
    scene.moved(next, 3).await;
    scene.label(&ORACLE, next, true).await;
    scene.group.rejoin(1).await;
    scene.label(&ORACLE, 1, false).await;
    readers_are(&scene.proxy, 2).await;
    scene.moved(next, 3).await;
    scene.settle(next).await;
}

#[tokio::test]
async fn a_galera_cluster_follows_its_label() {
    let Some(mut scene) = Scene::begin(&GALERA).await else { return };
    // Planned: all of them can be written to, and only the label says where.
    scene.label(&GALERA, 0, false).await;
    scene.label(&GALERA, 1, true).await;
    scene.moved(1, 2).await;
    readers_are(&scene.proxy, 2).await;

    // The dead one keeps its label until the operator has noticed.
    scene.group.server_mut(1).kill();
    scene.is_down(1).await;
    scene.moved(0, 3).await;
    scene.label(&GALERA, 1, false).await;
    scene.label(&GALERA, 2, true).await;
    scene.moved(2, 4).await;
    scene.group.rejoin(1).await;
    readers_are(&scene.proxy, 2).await;
    scene.moved(2, 4).await;

    // Cut off from the others it answers still, and knows that it is in the minority.
    let isolate = |on: u8| format!("SET GLOBAL wsrep_provider_options = 'gmcast.isolate={on}'");
    scene.group.server(2).sql(&isolate(1)).await;
    scene.moved(0, 5).await;
    scene.group.server(2).sql(&isolate(0)).await;
    scene.group.is_in(2).await;
    // Its label is right again.
    scene.moved(2, 6).await;
    readers_are(&scene.proxy, 2).await;
    scene.settle(2).await;
}

/// No labels: the ready pod with the lowest number.
#[tokio::test]
async fn a_galera_cluster_without_labels_has_one_writer() {
    let Some(mut scene) = Scene::begin(&PXC).await else { return };
    scene.pods.ready("db-0", false).await;
    scene.moved(1, 2).await;
    scene.pods.ready("db-0", true).await;
    scene.moved(0, 3).await;
    scene.group.server_mut(0).kill();
    scene.is_down(0).await;
    scene.pods.ready("db-0", false).await;
    scene.moved(1, 4).await;
    scene.group.rejoin(0).await;
    readers_are(&scene.proxy, 2).await;
    scene.pods.ready("db-0", true).await;
    scene.moved(0, 5).await;
    scene.settle(0).await;
}

/// Every member is labelled as a primary: who is the writer is the proxy's choice, and stays so.
#[tokio::test]
async fn a_galera_cluster_of_primaries_has_one_writer() {
    let Some(mut scene) = Scene::begin(&KUBEBLOCKS).await else { return };
    scene.group.server_mut(0).kill();
    scene.is_down(0).await;
    scene.moved(1, 2).await;
    scene.pods.label(&name(0), "kubeblocks.io/role", Some("secondary")).await;
    scene.group.rejoin(0).await;
    scene.label(&KUBEBLOCKS, 0, true).await;
    readers_are(&scene.proxy, 2).await;
    scene.moved(1, 2).await;
    scene.settle(1).await;
}

/// Nobody calls these servers a Galera cluster: they stand in the file, and each says it itself.
#[tokio::test]
async fn a_galera_cluster_of_static_servers_is_known_by_itself() {
    let Some(mut group) = Group::start(Kind::MariaDb).await else { return };
    group.server(0).sql(TABLE).await;
    let mut config = patient(&config_without_servers()).replace("interval = \"1s\"", GALERA_INTERVAL);
    for (number, server) in group.servers().iter().enumerate() {
        let (name, port) = (name(number), server.port());
        config += &format!("\n[[discovery.servers]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\n");
    }
    let proxy = Proxy::start(&(config + "\n[failover]\nhold = \"120s\"\n")).await;
    assert_eq!(writer_is(&proxy, 0).await, 1);
    readers_are(&proxy, 2).await;
    assert!(topology(&proxy).await["alarm"].is_null(), "three writable servers are no alarm");
    let writers = Writers::start(&proxy, 4).await;
    group.server_mut(0).kill();
    assert_eq!(writer_is(&proxy, 1).await, 2);
    writers.each_wrote().await;
    group.rejoin(0).await;
    readers_are(&proxy, 2).await;
    assert_eq!(writer_is(&proxy, 1).await, 2, "who is back is a reader");
    writers.compare(group.server(1)).await;
}

/// Every member of a group of primaries takes writes: all proxies choose the same one, and stay with it. What only replicates from
/// the group is none of them, and serves reads.
#[tokio::test]
async fn a_replication_group_of_primaries_has_one_writer() {
    let Some(mut group) = Group::start(Kind::MySql).await else { return };
    group.server(0).sql(TABLE).await;
    let follower = group.follower(2).await;
    group.all_are_primaries().await;
    let mut config = patient(&config_without_servers());
    for (number, server) in group.servers().iter().chain([&follower]).enumerate() {
        let (name, port) = (name(number), server.port());
        config += &format!("\n[[discovery.servers]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\n");
    }
    config += "\n[failover]\nhold = \"120s\"\n";
    let proxies = [Proxy::start(&config).await, Proxy::start(&config).await];
    for proxy in &proxies {
        assert_eq!(writer_is(proxy, 0).await, 1);
        readers_are(proxy, 3).await;
        assert!(topology(proxy).await["alarm"].is_null(), "three writable members are no alarm");
    }
    let writers = Writers::start(&proxies[0], 4).await;
    group.server_mut(0).kill();
    for proxy in &proxies {
        assert_eq!(writer_is(proxy, 1).await, 2);
    }
    writers.each_wrote().await;
    group.rejoin(0).await;
    for proxy in &proxies {
        readers_are(proxy, 3).await;
        assert_eq!(writer_is(proxy, 1).await, 2, "who is back is a reader");
    }
    group.only_primary(2).await;
    for proxy in &proxies {
        // The members become read-only one after the other, so another one may be the writer in between.
        writer_is(proxy, 2).await;
    }
    writers.each_wrote().await;
    readers_are(&proxies[0], 3).await;
    writers.compare(group.server(2)).await;
    writers_reached(&follower, group.server(2)).await;
}

async fn writers_reached(follower: &Node, primary: &Node) {
    let rows = primary.value("SELECT COUNT(*) FROM test.log").await;
    eventually("the follower has every row", async || {
        (follower.value("SELECT COUNT(*) FROM test.log").await == rows).then_some(())
    })
    .await;
}

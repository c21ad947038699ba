//! Three servers that agree on their members themselves: a MySQL replication group with one
//! primary, or a MariaDB Galera cluster, on loopback.

use super::cluster::{has_mysql, make_template};
use super::node::{Kind, Node, Role};
use super::report_skipped;
use super::room::{Place, room};
use super::scratch::{Scratch, free_port};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const GALERA: &str = "/usr/lib/galera/libgalera_smm.so";
const NEW_CLUSTER: &str = "--wsrep-new-cluster";
/// Of the replication group, as it wants one: a UUID.
const NAME: &str = "8d2b0b8c-3f3c-4c53-9d0e-6f4b7f0a9c11";
const LIMIT: Duration = Duration::from_secs(60);

/// Its servers end with it.
pub struct Group {
    kind: Kind,
    servers: Vec<Node>,
    /// True if every member of the replication group takes writes.
    all_primaries: bool,
    // Last: servers die before their folders go.
    scratch: Scratch,
    _place: Place,
}

impl Group {
    /// Three members; server 0 is the primary of a replication group. None, loudly reported, where it cannot be had.
    pub async fn start(kind: Kind) -> Option<Self> {
        let there = match kind {
            Kind::MySql => has_mysql(),
            Kind::MariaDb => Path::new(GALERA).exists(),
        };
        if !there {
            let test = std::thread::current().name().unwrap_or("?").to_owned();
            report_skipped(
                &test,
                "neither MySQL 9.7 (tests/setup/mysql97.sh) nor Galera (Debian's galera-4) is here",
            );
            return None;
        }
        let place = room().await;
        make_template(kind).await;
        let scratch = Scratch::new("group");
        let (ports, talk): (Vec<_>, Vec<_>) = (0..3).map(|_| (free_port(), free_port())).unzip();
        let mut servers = Vec::new();
        for (number, port) in ports.into_iter().enumerate() {
            let dir = scratch.path().join(number.to_string());
            let mut server = Node::planned(kind, Role::Primary, port, number + 1, dir);
            server.options = match kind {
                Kind::MySql => replication_group(number, &talk),
                Kind::MariaDb => galera(number, &talk),
            };
            servers.push(server);
        }
        let mut group = Group { kind, servers, all_primaries: false, scratch, _place: place };
        match kind {
            Kind::MySql => group.begin_replication_group().await,
            Kind::MariaDb => group.begin_galera().await,
        }
        Some(group)
    }

    /// All servers, by number.
    pub fn servers(&self) -> &[Node] {
        &self.servers
    }

    pub fn server(&self, number: usize) -> &Node {
        &self.servers[number]
    }

    pub fn server_mut(&mut self, number: usize) -> &mut Node {
        &mut self.servers[number]
    }

    async fn begin_replication_group(&mut self) {
        self.servers.iter_mut().for_each(Node::start);
        for number in 0..self.servers.len() {
            self.servers[number].ready().await;
            self.join(number, number == 0).await;
        }
    }

    async fn join(&self, number: usize, first: bool) {
        let server = &self.servers[number];
        server
            .sql(
                "CHANGE REPLICATION SOURCE TO SOURCE_USER='repl', SOURCE_PASSWORD='repl' \
                 FOR CHANNEL 'group_replication_recovery'",
            )
            .await;
        if self.all_primaries {
            // A server that was started without its configuration has the default.
            let variables = "SET GLOBAL group_replication_single_primary_mode = OFF; \
                             SET GLOBAL group_replication_enforce_update_everywhere_checks = ON";
            server.sql(variables).await;
        }
        let begin = u8::from(first);
        server.sql(&format!("SET GLOBAL group_replication_bootstrap_group = {begin}")).await;
        server.slow_sql("START GROUP_REPLICATION").await;
        server.sql("SET GLOBAL group_replication_bootstrap_group = 0").await;
        self.is_in(number).await;
    }

    /// Who joins must have been where the others were once, or needs all of the data: so they all begin with the data of
    /// a cluster of one that ended.
    async fn begin_galera(&mut self) {
        let first = &mut self.servers[0];
        first.options.push(NEW_CLUSTER.into());
        first.start();
        first.ready().await;
        first.end().await;
        let data = first.dir().join("data");
        for server in &self.servers[1..] {
            std::fs::create_dir_all(server.dir()).expect("cannot create a server's folder");
            let copied = std::process::Command::new("cp").arg("-a").arg(&data).arg(server.dir()).status();
            assert!(copied.is_ok_and(|status| status.success()), "cannot copy {}", data.display());
            for own in ["galera.cache", "gvwstate.dat"] {
                let _ = std::fs::remove_file(server.dir().join("data").join(own));
            }
        }
        for number in 0..self.servers.len() {
            self.servers[number].start();
            self.servers[number].ready().await;
            self.is_in(number).await;
        }
        self.servers[0].options.retain(|option| option != NEW_CLUSTER);
    }

    /// Waits until a server is a member at work.
    pub async fn is_in(&self, number: usize) {
        let deadline = Instant::now() + LIMIT;
        let server = &self.servers[number];
        while self.state(number).await != self.at_work() {
            let now = self.state(number).await;
            assert!(Instant::now() < deadline, "server {number} is {now}\n{}", server.log_tail());
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn at_work(&self) -> &'static str {
        match self.kind {
            Kind::MySql => "ONLINE",
            Kind::MariaDb => "Synced",
        }
    }

    /// A Galera server that takes over what it missed closes every connection.
    async fn state(&self, number: usize) -> String {
        let ask = match self.kind {
            Kind::MySql => {
                "SELECT member_state FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid"
            }
            Kind::MariaDb => "SHOW STATUS LIKE 'wsrep_local_state_comment'",
        };
        match self.servers[number].try_sql(ask).await {
            Ok(rows) => rows.into_iter().next().and_then(|mut row| row.pop().flatten()).unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Planned: the replication group makes this server its primary.
    pub async fn set_primary(&self, number: usize) {
        let server = &self.servers[number];
        let id = server.value("SELECT @@server_uuid").await;
        server.slow_sql(&format!("SELECT group_replication_set_as_primary('{id}')")).await;
    }

    /// Every member takes writes from now on.
    pub async fn all_are_primaries(&mut self) {
        self.all_primaries = true;
        self.servers[0].slow_sql("SELECT group_replication_switch_to_multi_primary_mode()").await;
    }

    /// This member alone does again.
    pub async fn only_primary(&mut self, number: usize) {
        self.all_primaries = false;
        let id = self.servers[number].value("SELECT @@server_uuid").await;
        let ask = format!("SELECT group_replication_switch_to_single_primary_mode('{id}')");
        self.servers[number].slow_sql(&ask).await;
    }

    /// A server outside of the group that replicates from this member.
    pub async fn follower(&self, of: usize) -> Node {
        let number = self.servers.len();
        let dir = self.scratch.path().join(number.to_string());
        let mut server = Node::spawn(self.kind, Role::Replica, free_port(), number + 1, dir);
        server.ready().await;
        server.follow(self.servers[of].port()).await;
        server.wait_replicating().await;
        server
    }

    /// Whom the replication group calls its primary, in the eyes of `of`.
    pub async fn primary(&self, of: usize) -> Option<usize> {
        let ask = "SELECT member_port FROM performance_schema.replication_group_members WHERE member_role = 'PRIMARY' \
                   AND member_state = 'ONLINE'";
        let port = self.servers[of].value(ask).await;
        self.servers.iter().position(|server| server.port().to_string() == port)
    }

    /// A killed server is back, as a member.
    pub async fn rejoin(&mut self, number: usize) {
        if self.kind == Kind::MariaDb {
            // As mariadbd-safe does it: a server that crashed does not know where it was.
            let position = self.servers[number].recovered_position();
            self.servers[number].options.push(format!("--wsrep-start-position={position}"));
        }
        self.servers[number].restart().await;
        self.servers[number].options.retain(|option| !option.starts_with("--wsrep-start-position"));
        match self.kind {
            Kind::MySql => self.join(number, false).await,
            Kind::MariaDb => self.is_in(number).await,
        }
    }
}

fn replication_group(number: usize, talk: &[u16]) -> Vec<String> {
    let seeds: Vec<_> = talk.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    vec![
        "--plugin-load-add=group_replication.so".into(),
        "--report-host=127.0.0.1".into(),
        format!("--loose-group-replication-group-name={NAME}"),
        format!("--loose-group-replication-local-address=127.0.0.1:{}", talk[number]),
        format!("--loose-group-replication-group-seeds={}", seeds.join(",")),
        "--loose-group-replication-start-on-boot=OFF".into(),
        "--loose-group-replication-recovery-get-public-key=ON".into(),
        // Who is not heard for five seconds is thrown out at once.
        "--loose-group-replication-member-expel-timeout=0".into(),
    ]
}

fn galera(number: usize, talk: &[u16]) -> Vec<String> {
    let peers: Vec<_> = talk.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (own, state) = (talk[number], free_port());
    vec![
        "--wsrep-on=ON".into(),
        format!("--wsrep-provider={GALERA}"),
        format!("--wsrep-cluster-address=gcomm://{}", peers.join(",")),
        "--wsrep-node-address=127.0.0.1".into(),
        format!("--wsrep-node-name=db-{number}"),
        format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{own};ist.recv_addr=127.0.0.1:{state};\
             gcache.size=16M"
        ),
        "--wsrep-sst-method=missed".into(),
        "--innodb-autoinc-lock-mode=2".into(),
        "--gtid-strict-mode=OFF".into(),
        "--rpl-semi-sync-master-enabled=OFF".into(),
        "--rpl-semi-sync-slave-enabled=OFF".into(),
    ]
}

"""What each preset's operator makes for a cluster `shop`: pods and their labels, the Secret, the accounts in it."""

from dataclasses import dataclass, field

CLUSTER = "shop"
K = "app.kubernetes.io/"
ALL = "ALL"
# An operator's account for monitoring on MySQL.
MONITOR = "PROCESS, SELECT, REPLICATION CLIENT, REPLICATION SLAVE"
# What is not `GRANT … WITH GRANT OPTION` of a root.
APPLICATION = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES, EXECUTE, PROCESS"


@dataclass(frozen=True)
class Account:
    """One in the operator's Secret, and what it may do on the servers."""

    name: str
    key: str
    rights: str


@dataclass(frozen=True)
class Operator:
    # Which servers stand behind the pods: mariadb, mysql (both with replication) or galera.
    servers: str
    common: dict
    primary: dict
    replica: dict
    secret: str
    # The last one is the one that applications get.
    accounts: tuple
    # The container port's name; None: it has none.
    port: str | None = "mysql"
    pods: str = CLUSTER
    # Whether the labels are first or follow when the primary is moved; "": it is not moved, or not by labels.
    moves: str = "labels follow"
    # What its user has to write besides the two lines, where the Secret's name is not known.
    values: tuple = field(default=())


def root(key):
    return (Account("root", key, ALL),)


def percona(pods, common, primary, servers, moves):
    accounts = (Account("monitor", "monitor", MONITOR), Account("root", "root", ALL))
    return Operator(servers, common, primary, {}, f"{CLUSTER}-secrets", accounts, pods=pods, moves=moves)


MARIADB_LABELS = {K + "name": "mariadb", K + "instance": CLUSTER}
MARIADB_ROLE = "k8s.mariadb.com/role"
OWN_ACCOUNTS = (Account("monitor", "monitor", MONITOR), Account("app", "app", APPLICATION))

OPERATORS = {
    "mariadb-operator": Operator(
        "mariadb", MARIADB_LABELS, {MARIADB_ROLE: "primary"}, {MARIADB_ROLE: "replica"},
        f"{CLUSTER}-root", root("password"), port="mariadb",
    ),
    "mariadb-operator-galera": Operator(
        "galera", MARIADB_LABELS, {MARIADB_ROLE: "primary"}, {MARIADB_ROLE: "replica"},
        f"{CLUSTER}-root", root("password"), port="mariadb",
    ),
    "oracle-innodbcluster": Operator(
        "mysql",
        {"component": "mysqld", "tier": "mysql", "mysql.oracle.com/cluster": CLUSTER},
        {"mysql.oracle.com/cluster-role": "PRIMARY"}, {"mysql.oracle.com/cluster-role": "SECONDARY"},
        f"{CLUSTER}-cluster-secret", root("rootPassword"),
    ),
    "radondb": Operator(
        "mysql",
        {"mysql.radondb.com/cluster": CLUSTER, K + "managed-by": "mysql.radondb.com", K + "name": "mysql"},
        {"role": "LEADER", "healthy": "yes"}, {"role": "FOLLOWER", "healthy": "yes"},
        f"{CLUSTER}-secret",
        (Account("radondb_operator", "operator-password", MONITOR), Account("radondb_usr", "mysql-password", APPLICATION)),
    ),
    "bitpoke": Operator(
        "mysql",
        {"mysql.presslabs.org/cluster": CLUSTER, K + "name": "mysql", K + "managed-by": "mysql.presslabs.org"},
        {"role": "master", "healthy": "yes"}, {"role": "replica", "healthy": "yes"},
        f"{CLUSTER}-secret", root("ROOT_PASSWORD"), pods=f"{CLUSTER}-mysql", moves="labels first",
        values=(f"--set=monitor.secret={CLUSTER}-secret", "--set=monitor.key=ROOT_PASSWORD"),
    ),
    "percona-ps": percona(
        f"{CLUSTER}-mysql",
        {K + "name": "mysql", K + "instance": CLUSTER, K + "component": "database",
         K + "managed-by": "percona-server-mysql-operator"},
        {"mysql.percona.com/primary": "true"}, "mysql", "labels first",
    ),
    "percona-pxc": percona(
        f"{CLUSTER}-pxc",
        {K + "name": "percona-xtradb-cluster", K + "instance": CLUSTER, K + "component": "pxc"}, {}, "galera", "",
    ),
    "moco": Operator(
        "mysql",
        {K + "name": "mysql", K + "instance": CLUSTER, K + "created-by": "moco"},
        {"moco.cybozu.com/role": "primary"}, {"moco.cybozu.com/role": "replica"},
        f"moco-{CLUSTER}",
        (Account("moco-readonly", "READONLY_PASSWORD", MONITOR + ", SHOW DATABASES, SHOW VIEW"),
         Account("moco-writable", "WRITABLE_PASSWORD", APPLICATION)),
        pods=f"moco-{CLUSTER}", moves="labels first",
    ),
    "kubeblocks": Operator(
        "mysql",
        {K + "managed-by": "kubeblocks", K + "instance": CLUSTER, "apps.kubeblocks.io/component-name": "mysql"},
        {"kubeblocks.io/role": "primary"}, {"kubeblocks.io/role": "secondary"},
        f"{CLUSTER}-mysql-account-root", root("password"), pods=f"{CLUSTER}-mysql",
    ),
    "kubedb": Operator(
        "mariadb",
        {K + "name": "mariadbs.kubedb.com", K + "instance": CLUSTER, K + "managed-by": "kubedb.com"},
        {"kubedb.com/role": "master"}, {"kubedb.com/role": "slave"},
        f"{CLUSTER}-auth", root("password"), port="db",
    ),
    "canonical": Operator(
        "mysql",
        {"application-name": "mysql-k8s", "cluster-name": CLUSTER}, {"role": "primary"}, {"role": "replicas"},
        "pointsman-accounts", OWN_ACCOUNTS, port=None, pods="mysql-k8s",
        values=("--values=tests/kubernetes/canonical.yaml",),
    ),
    "bitnami": Operator(
        "mariadb",
        {K + "name": "mariadb", K + "instance": CLUSTER},
        {K + "component": "primary"}, {K + "component": "secondary"},
        f"{CLUSTER}-mariadb", root("mariadb-root-password"), pods=f"{CLUSTER}-mariadb", moves="",
        values=(f"--set=monitor.secret={CLUSTER}-mariadb", "--set=monitor.key=mariadb-root-password"),
    ),
    "custom": Operator(
        "mariadb", {"app": "slightshift-mysql", "mysql-node": "true"}, {}, {},
        "pointsman-accounts", OWN_ACCOUNTS, pods="slightshift-mysql",
        values=("--values=tests/kubernetes/custom.yaml",),
    ),
}

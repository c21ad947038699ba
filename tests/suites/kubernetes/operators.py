"""Creates what each preset's operator creates for a cluster `shop`, by deploy/presets.toml: pods, their labels, the Secrets, the accounts."""

import pathlib
import tomllib
from dataclasses import dataclass, field

CLUSTER = "shop"
K = "app.kubernetes.io/"
ALL = "ALL"
# An operator's account for monitoring on MySQL.
MONITOR = "PROCESS, SELECT, REPLICATION CLIENT, REPLICATION SLAVE"
# KubeBlocks' account for probes, which may not read the servers' accounts.
PROBE = "REPLICATION CLIENT, PROCESS; SELECT ON performance_schema.*"
# What is not `GRANT … WITH GRANT OPTION` of a root.
APPLICATION = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES, EXECUTE, PROCESS"


@dataclass(frozen=True)
class Account:
    """One in the operator's Secret, and what it may do on the servers."""

    name: str
    key: str
    # On everything, or, after a semicolon, on what it names.
    rights: str
    # The Secret; empty: the operator's, `Operator.secret`.
    secret: str = ""


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
    # What its user has to write besides, where the Secret's name is not known.
    values: tuple = field(default=())

    def secret_of(self, account):
        return account.secret or self.secret


def root(key):
    return (Account("root", key, ALL),)


FACTS = tomllib.loads(pathlib.Path("deploy/presets.toml").read_text())["preset"]
COMPONENTS = {"kubeblocks": "mysql", "canonical": "mysql-k8s"}


def made_by(preset, servers, accounts, variant="", secret=None, **more):
    """What the table of facts says of a preset; accounts are their rights, the probes' first, or tuples where it names none."""
    fact = next(f for f in FACTS if f["name"] == preset and f.get("variant", "") == variant)

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(text) for key, text in value.items()}
        return value.replace("<c>", CLUSTER).replace("<component>", COMPONENTS.get(preset, ""))

    if isinstance(accounts[0], str):
        named = [filled(fact[who]) for who in ("monitor", "application") if who in fact]
        secret = secret or named[0]["secret"]
        given = tuple(
            Account(who["user"], who["key"], rights, who["secret"]) for who, rights in zip(named, accounts, strict=True)
        )
        # Where the operator makes none, its user makes one. The proxy reads no Secret of it.
        accounts = given if "application" in fact else (*given, Account("app", "password", APPLICATION, f"{CLUSTER}-app"))
    return Operator(
        servers, filled(fact["common"]), filled(fact["primary"]), filled(fact["replica"]), secret, accounts,
        port=fact["port"] or None, pods=filled(fact["pods"]), **more,
    )


OWN_ACCOUNTS = (Account("monitor", "monitor", MONITOR), Account("app", "app", APPLICATION))

OPERATORS = {
    "mariadb-operator": made_by("mariadb-operator", "mariadb", (ALL,)),
    "mariadb-operator-galera": made_by("mariadb-operator-galera", "galera", (ALL,)),
    "oracle-innodbcluster": made_by("oracle-innodbcluster", "mysql", (ALL,)),
    "radondb": made_by("radondb", "mysql", ("SELECT, PROCESS, REPLICATION CLIENT", APPLICATION)),
    "bitpoke": made_by(
        "bitpoke", "mysql", (ALL,), secret=f"{CLUSTER}-secret", moves="labels first", values=(f"--set=monitor.secret={CLUSTER}-secret", "--set=monitor.key=ROOT_PASSWORD"),
    ),
    "percona-ps": made_by("percona-ps", "mysql", (MONITOR,), moves="labels first"),
    "percona-pxc": made_by("percona-pxc", "galera", (MONITOR,), moves=""),
    "moco": made_by("moco", "mysql", (MONITOR + ", SHOW DATABASES, SHOW VIEW", APPLICATION), moves="labels first"),
    "kubeblocks": made_by("kubeblocks", "mysql", (PROBE,)),
    "kubedb": made_by("kubedb", "mariadb", (Account("root", "password", ALL),), variant="MariaDB", secret=f"{CLUSTER}-auth"),
    "canonical": made_by(
        "canonical", "mysql", OWN_ACCOUNTS, secret="pointsman-accounts", values=("--values=tests/suites/kubernetes/canonical.yaml",),
    ),
    "bitnami": made_by(
        "bitnami", "mariadb", (ALL,), variant="MariaDB", secret=f"{CLUSTER}-mariadb", moves="",
        values=(f"--set=monitor.secret={CLUSTER}-mariadb", "--set=monitor.key=mariadb-root-password"),
    ),
    "custom": Operator(
        "mariadb", {"app": "slightshift-mysql", "mysql-node": "true"}, {}, {},
        "pointsman-accounts", OWN_ACCOUNTS, pods="slightshift-mysql",
        values=("--values=tests/suites/kubernetes/custom.yaml",),
    ),
}

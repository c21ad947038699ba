"""The kinds of clusters that scenes.py plays with: how each is built, who says which pod is the primary, and how it is asked to move."""

import base64
import json
import re
import tempfile
import time
import tomllib

from node import CLUSTER, HERE, PASSWORD, PROXY, ROOT, SPACE, apply, eventually, is_ready, kubectl, pods, run

# Left out where the probes log in as root, whose password the servers' pods and whoever takes care of them have in their environment from
# their start, or by an account whose password the operator sets itself.
PROBES_PASSWORD = "probes' password changed twice"
# Pods that a scene has made unfit for good: only a backup would make them replicas again.
LEFT_OUT = set()


def number_in(text):
    return int(text) if text.strip() else None


def here(text):
    """A name of deploy/presets.toml, as it is in this cluster."""
    return text.replace("<c>", "shop").replace("<component>", "mysql")


class Kind:
    """Three servers, and who takes care of them."""

    # The pods' names, in front of their numbers.
    prefix = "shop-"
    # The servers' pods, by their labels.
    selector = ""
    # The server's program, and its image without the tag; the node has it with the tag `next`, too.
    program = "mariadbd"
    image = "docker.io/pointsman-tests/database"
    # A shell command in a server's pod: runs the statement "$1" past the proxy, with the option "$2".
    client = 'exec mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock --batch "$2" -e "$1"'
    # What shows how a server replicates, and the columns that a person would look at first.
    replicates = ("SHOW SLAVE STATUS", ("Master_Host", "Slave_IO_Running", "Slave_SQL_Running", "Last_IO_Error", "Last_SQL_Error"))
    # What the application's account may do beside its tables.
    grant = "BINLOG MONITOR, SLAVE MONITOR"
    # Whoever takes care: namespace, label, Deployment.
    space, label, controller = SPACE, "", ""
    # Its row in deploy/presets.toml; None: it has none.
    preset = None
    # A shell command in a server's pod: succeeds if the account "$1" with the password "$2" may log in.
    login = 'exec mariadb --no-defaults -u"$1" -p"$2" -h127.0.0.1 -e "SELECT 1"'
    # Chart values of the proxy.
    values = ()
    # False if a server that is killed stays the primary: its container starts again.
    replaces_killed = True
    # True if a primary that was paused until it was replaced follows the new one in the end.
    heals_paused = True
    # Scenes that there is nothing of here.
    leaves_out = ()
    # Scenes in which the servers themselves may lose acknowledged rows.
    may_lose = ()
    # Scenes that take longer here, and how many seconds.
    longer = {}

    def objects(self):
        """Makes everything but the proxy."""
        raise NotImplementedError

    def primary(self):
        """The number of its pod; None before there is one."""
        raise NotImplementedError

    def move_to(self, pod):
        """Asks for a planned switchover."""
        raise NotImplementedError

    def set_semi_sync(self, on):
        raise NotImplementedError

    # These change the pods' StatefulSet. An operator that has a resource for it is asked by that.

    def stateful_set(self):
        return f"statefulset/{self.prefix.removesuffix('-')}"

    def scale(self, count):
        kubectl("scale", self.stateful_set(), f"--replicas={count}")

    def replace_all(self, mark):
        template = {"metadata": {"annotations": {"rolled": mark}}}
        kubectl("patch", self.stateful_set(), "--type=merge", "--patch", json.dumps({"spec": {"template": template}}))

    def change_image(self):
        kubectl("set", "image", self.stateful_set(), f"*={self.image}:next")

    def switch_over(self):
        new = (self.primary() + 1) % 3
        self.move_to(new)
        eventually(60, "the switchover", lambda: self.primary() == new)

    def listed(self):
        """What deploy/presets.toml says of it."""
        presets = tomllib.loads((ROOT / "deploy/presets.toml").read_text())["preset"]
        return next(row for row in presets if row["name"] == self.preset)

    def account(self, use):
        """The account for this use as deploy/presets.toml names it: user, Secret, key, and the password that is in the Secret."""
        account = self.listed()[use]
        secret = here(account["secret"])
        data = json.loads(kubectl("get", "secret", secret, "--output", "json"))["data"]
        return {"user": account["user"], "secret": secret, "key": account["key"],
                "password": base64.b64decode(data.get(account["key"], "")).decode()}

    def as_listed(self):
        """Returns how what was made here differs from deploy/presets.toml."""
        row = self.listed()
        servers, wrong = self.servers(), []

        def has(pod, labels):
            return all(pod["metadata"]["labels"].get(name) == here(value) for name, value in labels.items())

        names = sorted(pod["metadata"]["name"] for pod in servers)
        if names != [f"{here(row['pods'])}-{number}" for number in range(3)]:
            wrong.append(f"pods {names}")
        for role, count in (("common", 3), ("primary", 1), ("replica", 2)):
            if sum(has(pod, row[role]) for pod in servers) != count:
                wrong.append(f"{role}: {[pod['metadata']['labels'] for pod in servers]}")
        ports = [[port.get("name") for c in pod["spec"]["containers"] for port in c.get("ports", []) if port["containerPort"] == 3306] for pod in servers]
        if ports != [[row["port"]]] * 3:
            wrong.append(f"ports {ports}")
        for use in ("monitor", "application", "administrator"):
            if use not in row:
                continue
            account = self.account(use)
            try:
                kubectl("exec", self.pod(0), "--", "bash", "-c", self.login, "bash", account["user"], account["password"])
            except RuntimeError as error:
                wrong.append(f"{account}: {str(error)[-200:]}")
        return wrong

    def pod(self, number):
        return f"{self.prefix}{number}"

    def sql(self, number, text, form="--skip-column-names"):
        """As an administrator, past the proxy; rows, tab-separated."""
        return kubectl("exec", self.pod(number), "--", "bash", "-c", self.client, "bash", text, form)

    def replication(self, number):
        statement, keys = self.replicates
        try:
            state = self.sql(number, statement, "--vertical")
        except RuntimeError as error:
            return str(error)
        said = dict(re.findall(r"(\w+): (.+)", state))
        return ", ".join(f"{key} {said[key]}" for key in keys if said.get(key)) or "replicates from nobody"

    def process(self, number):
        """The server's process, as the node numbers it: the one whose host has the pod's name."""
        for process in run(CLUSTER, "inside", "pgrep", "--exact", self.program).split():
            if run(CLUSTER, "inside", "nsenter", "--uts", f"--target={process}", "hostname", quiet=True).strip() == self.pod(number):
                return process
        raise RuntimeError(f"no process of {self.pod(number)}")

    def servers(self):
        return [pod for pod in pods(self.selector) if pod["metadata"]["name"] not in LEFT_OUT]

    def all_ready(self, count=3):
        servers = self.servers()
        return len(servers) == count - len(LEFT_OUT) and all(map(is_ready, servers))

    def build(self, semi_sync):
        run(CLUSTER, "kubectl", "create", "namespace", SPACE)
        kubectl("create", "configmap", "books", f"--from-file={HERE / 'books.py'}")
        apply(HERE / "client.yaml")
        self.objects()
        eventually(240, "three pods and a primary", lambda: self.all_ready() and self.primary() is not None)
        values = ["image.repository=docker.io/pointsman-tests/proxy", "image.tag=local", "test.image=docker.io/pointsman-tests/database:local",
                  *self.values]
        run(CLUSTER, "helm", "install", "shop-proxy", str(ROOT / "deploy/helm/pointsman"), "--namespace", SPACE,
            *[part for value in values for part in ("--set", value)])
        kubectl("rollout", "status", f"deployment/{PROXY}", "--timeout=120s")
        kubectl("rollout", "status", "deployment/client", "--timeout=60s")
        self.sql(self.primary(),
                 "CREATE DATABASE books; CREATE TABLE books.log (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL); "
                 f"CREATE TABLE books.direct (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40)); CREATE USER app@'%' IDENTIFIED BY '{PASSWORD}'; "
                 f"GRANT ALL ON books.* TO app@'%'; GRANT {self.grant} ON *.* TO app@'%'")
        self.set_semi_sync(semi_sync)

    @staticmethod
    def scripts(config_map, *names):
        kubectl("create", "configmap", config_map, *[f"--from-file={HERE / 'operators' / name}" for name in names])


class MariaDbOperator(Kind):
    """The stand-in for mariadb-operator."""

    selector = "app.kubernetes.io/instance=shop"
    label, controller = "app=mariadb-operator", "mariadb-operator"
    # The stand-in does not make any.
    leaves_out = ("replica cluster beside it", PROBES_PASSWORD)
    preset = "mariadb-operator"
    # A killed primary starts again and is writable until the operator has seen its loss. Without semi-sync no replica need have received what
    # it took, and without log_slave_updates one replica does not get from the other what it lacks.
    may_lose = ("primary's server killed",)
    heals_paused = False
    values = ("preset=mariadb-operator", "cluster=shop")

    def objects(self):
        run(CLUSTER, "kubectl", "apply", "--filename", str(ROOT / "tests/suites/kubernetes/mariadb-crd.yaml"))
        self.scripts("mariadb-operator", "mariadb_operator.py", "kubernetes.py", "servers.py", "server.sh", "ready.sh", "alive.sh")
        apply(HERE / "operators/mariadb-operator.yaml", ROOT / "deploy/demo/shop.yaml")

    @staticmethod
    def patch(spec):
        kubectl("patch", "mariadb", "shop", "--type=merge", "--patch", json.dumps({"spec": spec}))

    def scale(self, count):
        self.patch({"replicas": count})

    def primary(self):
        return number_in(kubectl("get", "mariadb", "shop", "--output", "jsonpath={.status.currentPrimaryPodIndex}"))

    def move_to(self, pod):
        self.patch({"replication": {"primary": {"podIndex": pod}}})

    def all_ready(self, count=3):
        roles = sorted(pod["metadata"]["labels"].get("k8s.mariadb.com/role", "") for pod in self.servers())
        return super().all_ready(count) and roles == ["primary", *["replica"] * (count - len(LEFT_OUT) - 1)]

    def set_semi_sync(self, on):
        self.patch({"replication": {"semiSyncEnabled": on}})
        switch = "ON" if on else "OFF"
        for pod in range(3):
            self.sql(pod, f"SET GLOBAL rpl_semi_sync_{'master' if pod == self.primary() else 'slave'}_enabled = {switch}")

    def replace_all(self, mark):
        self.patch({"podAnnotations": {"rolled": mark}})

    def change_image(self):
        self.patch({"image": f"{self.image}:next"})


class HomeMade(Kind):
    """As SlightShift: no resource, no label that says who the primary is, an arbiter."""

    selector = "app=slightshift-mysql"
    label, controller = "app=arbiter", "arbiter"
    # What it has no notion of.
    leaves_out = ("replica cluster beside it", "switchover, semi-sync", "scaled to two and back", "TLS switched on", "CA changed", PROBES_PASSWORD)
    values = ("preset=custom", "config.discovery.selector=app=slightshift-mysql\\,mysql-node=true", "monitor.user=root",
              "monitor.secret=shop-passwords", "monitor.key=root")

    def objects(self):
        self.scripts("scripts", "arbiter.py", "kubernetes.py", "servers.py", "server.sh", "ready.sh")
        apply(HERE / "operators/arbiter.yaml")

    def primary(self):
        return number_in(kubectl("get", "configmap", "arbiter", "--output", "jsonpath={.data.primary}"))

    def move_to(self, pod):
        kubectl("patch", "configmap", "arbiter", "--type=merge", "--patch", json.dumps({"data": {"wanted": str(pod)}}))

    def set_semi_sync(self, on):
        if on:
            raise RuntimeError("a home-made cluster replicates without semi-sync")


class Moco(Kind):
    """MOCO itself, with MySQL 9.7. Its servers always replicate semi-synchronously."""

    prefix = "moco-shop-"
    selector = "app.kubernetes.io/instance=shop,app.kubernetes.io/created-by=moco"
    program = "mysqld"
    image = "docker.io/pointsman-tests/mysql"
    client = 'exec mysql --defaults-file=/mysql-credentials/moco-admin-my.cnf -S /run/mysqld.sock --batch "$2" -e "$1"'
    replicates = ("SHOW REPLICA STATUS", ("Source_Host", "Replica_IO_Running", "Replica_SQL_Running", "Last_IO_Error", "Last_SQL_Error"))
    grant = "REPLICATION CLIENT"
    space, label, controller = "moco-system", "app.kubernetes.io/component=moco-controller", "moco-controller"
    preset = "moco"
    replaces_killed = False
    login = 'exec mysql --no-defaults -u"$1" -p"$2" -h127.0.0.1 -e "SELECT 1"'
    values = ("preset=moco", "cluster=shop")
    # It refuses fewer servers, and its servers make their certificates themselves.
    leaves_out = ("switchover", "scaled to two and back", "TLS switched on", "CA changed", "primary paused for 30 s", PROBES_PASSWORD)
    # A pod sleeps for 20 s before it ends.
    longer = {"primary's pod deleted": 90, "servers rolled": 240, "servers' image changed": 240}

    def objects(self):
        run(CLUSTER, "kubectl", "create", "namespace", self.space)
        run(CLUSTER, "kubectl", "--namespace", self.space, "create", "configmap", "issuer", f"--from-file={HERE / 'moco/issuer.py'}",
            f"--from-file={HERE / 'operators/kubernetes.py'}")
        run(CLUSTER, "kubectl", "apply", "--filename", str(HERE / "moco/issuer.yaml"))
        chart = run(str(ROOT / "tests/setup/moco-build.sh")).strip() + "/chart"
        image = "docker.io/pointsman-tests/moco"
        values = [f"image.repository={image}", "image.tag=local", f"agent.image.repository={image}-agent", "agent.image.tag=local", "replicaCount=1"]
        run(CLUSTER, "helm", "install", "moco", chart, "--namespace", self.space, *[part for value in values for part in ("--set", value)])
        run(CLUSTER, "kubectl", "--namespace", self.space, "rollout", "status", "deployment/moco-controller", "--timeout=120s")
        run(CLUSTER, "inside", "mkdir", "--mode=777", *[f"/run/volumes/moco-{number}" for number in range(3)])
        apply(HERE / "moco/shop.yaml")

    def primary(self):
        return number_in(kubectl("get", "mysqlcluster", "shop", "--output", "jsonpath={.status.currentPrimaryIndex}"))

    def __init__(self):
        # When each was rebuilt.
        self.rebuilt = {}

    def rebuild(self, number):
        """As its documentation says of an instance that has what the others have not: its data are removed, and MOCO makes it again."""
        if time.time() - self.rebuilt.get(number, 0) < 90:
            return
        self.rebuilt[number] = time.time()
        print(f"   {self.pod(number)} has writes that nobody else has: rebuilt, as a person must with MOCO", flush=True)
        volume = kubectl("get", "pvc", f"mysql-data-{self.pod(number)}", "--output", "jsonpath={.spec.volumeName}")
        folder = f"/run/volumes/moco-{volume.removeprefix('shop-')}"
        run(CLUSTER, "inside", "find", folder, "-mindepth", "1", "-delete")
        kubectl("delete", "pod", self.pod(number), "--grace-period=0", "--force", "--wait=false")

    def all_ready(self, count=3):
        errant = kubectl("get", "mysqlcluster", "shop", "--output", "jsonpath={.status.errantReplicaList}")
        for number in json.loads(errant or "[]"):
            self.rebuild(number)
        roles = sorted(pod["metadata"]["labels"].get("moco.cybozu.com/role", "") for pod in self.servers())
        return super().all_ready(count) and roles == ["primary", *["replica"] * (count - 1)]

    def switch_over(self):
        """As `kubectl moco switchover` asks for it. MOCO chooses the next primary."""
        old = self.primary()
        kubectl("annotate", "pod", self.pod(old), "moco.cybozu.com/demote=true", "--overwrite")
        eventually(60, "the switchover", lambda: self.primary() != old)

    def branch(self):
        """Makes another cluster beside this one that replicates from it, as MOCO's documentation says."""
        self.sql(self.primary(), "CREATE USER 'clone-donor'@'%' IDENTIFIED BY 'donor'; GRANT BACKUP_ADMIN, REPLICATION SLAVE ON *.* TO 'clone-donor'@'%'; "
                 "CREATE USER 'clone-init'@localhost IDENTIFIED BY 'init'; GRANT ALL ON *.* TO 'clone-init'@localhost WITH GRANT OPTION; "
                 "GRANT PROXY ON ''@'' TO 'clone-init'@localhost WITH GRANT OPTION")
        secret = {"HOST": f"moco-shop-primary.{SPACE}.svc", "PORT": "3306", "USER": "clone-donor", "PASSWORD": "donor",
                  "INIT_USER": "clone-init", "INIT_PASSWORD": "init"}
        kubectl("create", "secret", "generic", "donor", *[f"--from-literal={key}={value}" for key, value in secret.items()])
        run(CLUSTER, "inside", "mkdir", "--mode=777", "/run/volumes/moco-branch-0")
        apply(HERE / "moco/branch.yaml")

    def set_semi_sync(self, on):
        """It is always on."""

    def replace_all(self, mark):
        self.change("/spec/podTemplate/metadata", {"annotations": {"rolled": mark}})

    def change_image(self):
        self.change("/spec/podTemplate/spec/containers/0/image", f"{self.image}:next")

    @staticmethod
    def change(path, value):
        kubectl("patch", "mysqlcluster", "shop", "--type=json", "--patch", json.dumps([{"op": "add", "path": path, "value": value}]))


class GroupReplication(Kind):
    """MySQL 9.7, whose servers elect their primary themselves."""

    program = "mysqld"
    image = Moco.image
    client = 'exec mysql --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock --batch "$2" -e "$1"'
    replicates = ("SELECT * FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid", ("MEMBER_ROLE", "MEMBER_STATE"))
    grant = "REPLICATION CLIENT"
    login = Moco.login
    # The label of a pod's role, and what it says of a primary and of a replica.
    role, primary_role, replica_role = "", "", ""
    # A group always waits for a majority, and its servers make their certificates themselves.
    leaves_out = ("switchover, semi-sync", "replica cluster beside it", "TLS switched on", "CA changed", PROBES_PASSWORD)
    longer = {"servers rolled": 150, "servers' image changed": 150, "primary paused for 30 s": 120}

    def ask_any(self, column, where):
        """What a member that is at work says of one; None: nobody is."""
        ask = (f"SELECT {column} FROM performance_schema.replication_group_members WHERE member_state = 'ONLINE' AND {where} AND EXISTS "
               "(SELECT * FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid AND member_state = 'ONLINE')")
        for number in range(3):
            try:
                if answer := self.sql(number, ask).strip():
                    return answer
            except RuntimeError:
                pass
        return None

    def primary(self):
        host = self.ask_any("member_host", "member_role = 'PRIMARY'")
        return host and int(host.partition(".")[0].rpartition("-")[2])

    def move_to(self, pod):
        identity = self.ask_any("member_id", f"member_host LIKE '{self.pod(pod)}.%'")
        self.sql(self.primary(), f"SELECT group_replication_set_as_primary('{identity}')")

    def all_ready(self, count=3):
        roles = sorted(pod["metadata"]["labels"].get(self.role, "") for pod in self.servers())
        states = self.ask_any("COUNT(*)", "TRUE")
        return super().all_ready(count) and roles == [self.primary_role, *[self.replica_role] * (count - 1)] and states == str(count)

    def set_semi_sync(self, on):
        """A group has its own."""


class InnoDbCluster(GroupReplication):
    """The stand-in for Oracle's MySQL Operator, whose labels follow the group seconds later."""

    selector = "mysql.oracle.com/cluster=shop,component=mysqld"
    label, controller = "app=mysql-operator", "mysql-operator"
    preset = "oracle-innodbcluster"
    values = ("preset=oracle-innodbcluster", "cluster=shop")
    role, primary_role, replica_role = "mysql.oracle.com/cluster-role", "PRIMARY", "SECONDARY"

    def objects(self):
        self.scripts("scripts", "innodbcluster.py", "kubernetes.py", "servers.py", "mysql.sh")
        apply(HERE / "operators/innodbcluster.yaml")


class KubeBlocks(GroupReplication):
    """KubeBlocks itself. It learns the servers' roles from the agent that it runs beside each, and changes the primary, and restarts servers,
    by its OpsRequests."""

    prefix = "shop-mysql-"
    selector = "app.kubernetes.io/managed-by=kubeblocks,app.kubernetes.io/instance=shop,apps.kubeblocks.io/component-name=mysql"
    space, label, controller = "kb-system", "app.kubernetes.io/component=apps", "kubeblocks"
    preset = "kubeblocks"
    values = ("preset=kubeblocks", "cluster=shop")
    role, primary_role, replica_role = "kubeblocks.io/role", "primary", "secondary"
    # It exchanges the image in the pods that are there, and the add-on here does not get a member back into the group after that. A group
    # that it made did not replace a paused primary within 30 seconds.
    leaves_out = (*GroupReplication.leaves_out, "servers' image changed", "primary paused for 30 s")

    def objects(self):
        chart = run(str(ROOT / "tests/setup/kubeblocks-build.sh")).strip() + "/chart"
        values = ["image.registry=docker.io", "image.repository=pointsman-tests/kubeblocks", "image.tag=local",
                  "image.tools.repository=pointsman-tests/kubeblocks-tools", "dataProtection.enabled=false", "addonController.enabled=false",
                  "autoInstalledAddons=null"]
        # As its documentation says: the chart leaves these to its user.
        run(CLUSTER, "kubectl", "create", "--filename", f"{chart}/crds")
        run(CLUSTER, "kubectl", "create", "namespace", self.space)
        run(CLUSTER, "helm", "install", "kubeblocks", chart, "--namespace", self.space, *[part for value in values for part in ("--set", value)])
        run(CLUSTER, "kubectl", "--namespace", self.space, "rollout", "status", "deployment/kubeblocks", "--timeout=120s")
        folder = HERE / "kubeblocks"
        kubectl("create", "configmap", "scripts", f"--from-file={HERE / 'operators/mysql.sh'}",
                *[f"--from-file={folder / name}" for name in ("group.sh", "role.sh", "switchover.sh", "account.sh")])
        apply(folder / "definition.yaml")
        eventually(60, "the definition", lambda: kubectl("get", "componentdefinition", "mysql-group", "--output", "jsonpath={.status.phase}") == "Available")
        apply(folder / "shop.yaml")

    def ask_for(self, kind, what):
        """Makes an OpsRequest, and returns its name."""
        name = f"{kind.lower()}-{time.time_ns()}"
        request = {"apiVersion": "operations.kubeblocks.io/v1alpha1", "kind": "OpsRequest", "metadata": {"name": name},
                   "spec": {"clusterName": "shop", "type": kind, kind[0].lower() + kind[1:]: [{"componentName": "mysql", **what}]}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(request, file)
            file.flush()
            apply(file.name)
        return name

    @staticmethod
    def has_ended(name):
        """Waits for an OpsRequest: a scaling beside another one may be lost."""
        eventually(300, name, lambda: kubectl("get", "opsrequest", name, "--output", "jsonpath={.status.phase}") == "Succeed")

    def move_to(self, pod):
        self.ask_for("Switchover", {"instanceName": self.pod(self.primary()), "candidateName": self.pod(pod)})

    def scale(self, count):
        self.has_ended(self.ask_for("HorizontalScaling", {"scaleOut" if count == 3 else "scaleIn": {"replicaChanges": 1}}))

    def replace_all(self, mark):
        self.has_ended(self.ask_for("Restart", {}))


class RadonDb(Kind):
    """The stand-in for RadonDB: MySQL 9.7 with semi-synchronous replication, Xenon's elections, labels by a poll."""

    prefix = "shop-mysql-"
    selector = "mysql.radondb.com/cluster=shop"
    program = "mysqld"
    image = Moco.image
    client = InnoDbCluster.client
    replicates = Moco.replicates
    grant = "REPLICATION CLIENT"
    label, controller = "app=xenon", "xenon"
    preset = "radondb"
    login = Moco.login
    values = ("preset=radondb", "cluster=shop")
    leaves_out = ("switchover", "replica cluster beside it", "TLS switched on", "CA changed")
    longer = {"servers rolled": 120, "servers' image changed": 120}

    def objects(self):
        self.scripts("scripts", "radondb.py", "kubernetes.py", "servers.py", "mysql.sh")
        apply(HERE / "operators/radondb.yaml")

    def primary(self):
        return number_in(kubectl("get", "configmap", "xenon", "--output", "jsonpath={.data.leader}"))

    def move_to(self, pod):
        kubectl("patch", "configmap", "xenon", "--type=merge", "--patch", json.dumps({"data": {"wanted": str(pod)}}))

    def all_ready(self, count=3):
        labels = sorted((pod["metadata"]["labels"].get("role", ""), pod["metadata"]["labels"].get("healthy", "")) for pod in self.servers())
        return super().all_ready(count) and labels == [*[("FOLLOWER", "yes")] * (count - 1), ("LEADER", "yes")]

    def set_semi_sync(self, on):
        """It is always on."""

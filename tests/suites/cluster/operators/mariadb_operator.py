"""A stand-in for mariadb-operator 26.6, which cannot be had as a Go module: what it does with the objects and the servers of a
replicated cluster, in its order, with its waits. Sources: ../../../../docs/kubernetes.md names what was seen on a real node.

It makes, for each MariaDB resource: the Secrets, four Services, the StatefulSet; configures replication; labels the pods; keeps the
resource's status. `spec.replication.primary.podIndex` asks for a planned switchover. A primary that is not Ready is replaced by the
replica that has received the most. When the pods' template changes, replicas are replaced first, the primary last.
"""

import base64
import os
import secrets
import subprocess
import sys
import time

import pymysql

from kubernetes import Api, Missing
from servers import Server

SPACE = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="ascii").read().strip()
CORE = f"/api/v1/namespaces/{SPACE}"
SETS = f"/apis/apps/v1/namespaces/{SPACE}/statefulsets"
RESOURCES = f"/apis/k8s.mariadb.com/v1alpha1/namespaces/{SPACE}/mariadbs"
ROLE = "k8s.mariadb.com/role"
# How long a statement of the operator may take. With semi-sync, ALTER USER waits for a replica that does not follow yet.
STATEMENT = 30
CONNECT = 2
# The defaults of its resource.
ACK_TIMEOUT = 10
FAILOVER_DELAY = 0
# A pod that was just promoted is not Ready until its probe has seen that.
PROMOTION_GRACE = 5
SYNC_TIMEOUT = 10


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


class Cluster:
    """One MariaDB resource."""

    def __init__(self, api, resource):
        self.api, self.resource = api, resource
        self.name, self.spec = resource["metadata"]["name"], resource["spec"]
        self.labels = {"app.kubernetes.io/name": "mariadb", "app.kubernetes.io/instance": self.name}
        self.primary = resource.get("status", {}).get("currentPrimaryPodIndex")
        replication = self.spec.get("replication", {})
        # As in its default configuration of a server: off.
        self.log_slave_updates = "log_slave_updates" in self.spec.get("myCnf", "")
        self.semi_sync = replication.get("semiSyncEnabled", True)
        self.wanted = replication.get("primary", {}).get("podIndex")
        self.failover = replication.get("primary", {}).get("autoFailover", True)
        self.passwords = {}

    # What the cluster is made of.

    def secret(self, name, key="password"):
        made = {"metadata": {"name": name, "labels": self.labels}, "stringData": {key: secrets.token_hex(8)}}
        data = self.api.ensure(f"{CORE}/secrets", made)["data"]
        return base64.b64decode(data[key]).decode()

    def make(self):
        reference = self.spec["rootPasswordSecretKeyRef"]
        self.passwords = {"root": self.secret(reference["name"], reference["key"]), "repl": self.secret(f"repl-password-{self.name}")}
        port = [{"name": "mariadb", "port": 3306}]
        for name, more, selector in (("", {}, {}), ("-internal", {"clusterIP": "None", "publishNotReadyAddresses": True}, {}),
                                     ("-primary", {}, {ROLE: "primary"}), ("-secondary", {}, {ROLE: "replica"})):
            self.api.ensure(f"{CORE}/services", {"metadata": {"name": self.name + name, "labels": self.labels},
                                                 "spec": {"ports": port, "selector": self.labels | selector, **more}})
        self.api.apply(SETS, self.stateful_set())

    def stateful_set(self):
        def from_secret(name, key):
            return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}

        reference = self.spec["rootPasswordSecretKeyRef"]
        environment = [{"name": "ROOT_PASSWORD", **from_secret(reference["name"], reference["key"])},
                       {"name": "REPL_PASSWORD", **from_secret(f"repl-password-{self.name}", "password")},
                       {"name": "MY_CNF", "value": self.spec.get("myCnf", "")},
                       {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
        container = {
            "name": "mariadb", "image": self.spec.get("image", "docker.io/pointsman-tests/database:local"), "imagePullPolicy": "Never",
            "command": ["bash", "/operator/server.sh"], "env": environment,
            "ports": [{"name": "mariadb", "containerPort": 3306}],
            "volumeMounts": [{"name": "storage", "mountPath": "/var/lib/mysql"}, {"name": "operator", "mountPath": "/operator"}],
            "resources": {"requests": {"memory": "256Mi"}},
            # Its agent's question, in short: a replica must replicate without lag.
            "readinessProbe": {"exec": {"command": ["bash", "/operator/ready.sh"]}, "periodSeconds": 1, "timeoutSeconds": 3,
                               "failureThreshold": 3},
            "livenessProbe": {"exec": {"command": ["bash", "/operator/alive.sh"]}, "periodSeconds": 10, "timeoutSeconds": 5,
                              "initialDelaySeconds": 20},
        }
        volumes = [{"name": "storage", "hostPath": {"path": f"/run/volumes/{SPACE}-{self.name}", "type": "DirectoryOrCreate"}},
                   {"name": "operator", "configMap": {"name": "mariadb-operator"}}]
        container["volumeMounts"][0]["subPathExpr"] = "$(POD_NAME)"
        if self.spec.get("tls", {}).get("enabled"):
            # The operator issues both; here scenes.py does.
            for secret in ("server-cert", "ca-bundle"):
                volumes.append({"name": secret, "secret": {"secretName": f"{self.name}-{secret}"}})
                container["volumeMounts"].append({"name": secret, "mountPath": f"/pki/{secret}"})
        template = {"metadata": {"labels": self.labels, "annotations": self.spec.get("podAnnotations", {})},
                    "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 30}}
        return {"metadata": {"name": self.name, "labels": self.labels},
                "spec": {"replicas": self.spec.get("replicas", 3), "serviceName": f"{self.name}-internal", "podManagementPolicy": "Parallel",
                         "updateStrategy": {"type": "OnDelete"},
                         "selector": {"matchLabels": self.labels}, "template": template}}

    # What it looks at.

    def pods(self):
        """The pods by their numbers."""
        selector = ",".join(f"{key}%3D{value}" for key, value in self.labels.items())
        all_pods = self.api.get(f"{CORE}/pods?labelSelector={selector}")["items"]
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in all_pods}

    @staticmethod
    def is_ready(pod):
        conditions = pod["status"].get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def server(self, pod):
        return Server(pod["status"]["podIP"], self.passwords["root"], CONNECT, STATEMENT)

    def host(self, number):
        return f"{self.name}-{number}.{self.name}-internal.{SPACE}.svc.cluster.local"

    # What it does.

    def set_status(self, primary):
        self.primary = primary
        status = {"currentPrimary": f"{self.name}-{primary}", "currentPrimaryPodIndex": primary}
        self.api.merge(f"{RESOURCES}/{self.name}/status", {"status": status})
        # Or the next look would find the former primary asked for.
        self.api.merge(f"{RESOURCES}/{self.name}", {"spec": {"replication": {"primary": {"podIndex": primary}}}})

    def label(self, pods):
        """Ready pods alone get a label; one that has it keeps it while it is not Ready."""
        for number, pod in pods.items():
            role = "primary" if number == self.primary else "replica"
            if self.is_ready(pod) and pod["metadata"].get("labels", {}).get(ROLE) != role:
                self.api.merge(f"{CORE}/pods/{pod['metadata']['name']}", {"metadata": {"labels": {ROLE: role}}})

    def semi_sync_of(self, primary):
        if not self.semi_sync:
            return ["SET GLOBAL rpl_semi_sync_master_enabled = OFF", "SET GLOBAL rpl_semi_sync_slave_enabled = OFF"]
        return [f"SET GLOBAL rpl_semi_sync_master_timeout = {ACK_TIMEOUT * 1000}",
                f"SET GLOBAL rpl_semi_sync_master_enabled = {'ON' if primary else 'OFF'}",
                f"SET GLOBAL rpl_semi_sync_slave_enabled = {'OFF' if primary else 'ON'}"]

    def follow(self, server, primary, position=None):
        """Makes the server a replica of this pod, from this position, or from what it has executed."""
        start = [] if position is None else ["RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{position}'"]
        server.run("STOP SLAVE", *self.semi_sync_of(False), *start,
                   f"CHANGE MASTER TO MASTER_HOST = '{self.host(primary)}', MASTER_USER = 'repl', MASTER_CONNECT_RETRY = 1, "
                   f"MASTER_PASSWORD = '{self.passwords['repl']}', MASTER_USE_GTID = slave_pos",
                   "START SLAVE", "SET GLOBAL read_only = 1")

    def whole_log(self, otherwise):
        """The position from which a server that has all that the new primary had at its promotion follows it. Without
        log_slave_updates the new primary's log begins with its first statement as the primary, so all of it is wanted."""
        return otherwise if self.log_slave_updates else ""

    def promote(self, server):
        server.run("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL gtid_slave_pos = ''", "SET GLOBAL read_only = 0")
        server.run(*self.semi_sync_of(True))
        server.run(f"ALTER USER 'repl'@'%' IDENTIFIED BY '{self.passwords['repl']}'")

    def begin(self, pods):
        """The first configuration: the first pod is the primary."""
        with self.server(pods[0]) as server:
            server.run("SET GLOBAL read_only = 0", *self.semi_sync_of(True))
        for number, pod in pods.items():
            if number != 0:
                with self.server(pod) as server:
                    self.follow(server, 0)
        say(self.name, "is configured")
        self.set_status(0)

    def configure_new(self, pods):
        """A pod that replicates from nobody, and is not the primary, becomes a replica."""
        for number, pod in pods.items():
            if number == self.primary or pod["status"].get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
                continue
            try:
                with self.server(pod) as server:
                    status = server.replication()
                    if status is None or status["Master_Host"] != self.host(self.primary):
                        say(f"{self.name}-{number} becomes a replica")
                        # What it has in its log beyond the primary is forgotten.
                        self.follow(server, self.primary, self.whole_log(server.value("SELECT @@gtid_current_pos")))
                    elif int(status["Last_IO_Errno"] or 0) == 1236:
                        say(f"{self.name}-{number}: {status['Last_IO_Error']}")
                    elif int(status["Last_SQL_Errno"] or 0) != 0 and self.primary in pods:
                        say(f"{self.name}-{number} is recovered from a backup: {status['Last_SQL_Error']}")
                        self.recover(server, pods[number], pods[self.primary])
            except pymysql.MySQLError:
                continue

    def recover(self, server, pod, source):
        """A lost primary that came back may have rows that nobody received. What the new primary writes meets them, and replication ends.
        With `replica.recovery` the operator gives such a replica the data of a backup."""
        def program(name, pod):
            return [name, "--no-defaults", "--skip-ssl", f"-h{pod['status']['podIP']}", "-uroot", f"-p{self.passwords['root']}"]

        def output(command, data=None):
            done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)
            if done.returncode != 0:
                raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace')[-300:]}")
            return done.stdout

        # A replica keeps its position in the table that is left out.
        backup = output([*program("mariadb-dump", source), "--all-databases", "--single-transaction", "--gtid", "--master-data=1",
                         "--ignore-table=mysql.gtid_slave_pos"])
        server.run("STOP SLAVE", "RESET MASTER")
        output([*program("mariadb", pod), "--init-command=SET sql_log_bin = 0"], backup)
        self.follow(server, self.primary)

    def switch_over(self, pods, new):
        old = self.primary
        say(f"{self.name}: switchover from {old} to {new}")
        replicas = [number for number in pods if number not in (old, new)]
        with self.server(pods[new]) as promoted, self.server(pods[old]) as locked:
            locked.run("FLUSH TABLES WITH READ LOCK", "SET GLOBAL read_only = 1")
            position = locked.value("SELECT @@gtid_binlog_pos")
            for number in [new, *replicas]:
                with self.server(pods[number]) as server:
                    if server.value(f"SELECT MASTER_GTID_WAIT('{position}', {SYNC_TIMEOUT})") != 0:
                        locked.run("SET GLOBAL read_only = 0", "UNLOCK TABLES")
                        say(f"{self.name}-{number} lacks {position}: no switchover")
                        return
            self.promote(promoted)
            for number in replicas:
                with self.server(pods[number]) as server:
                    self.follow(server, new, self.whole_log(None))
            locked.run("UNLOCK TABLES")
            self.follow(locked, new, self.whole_log(position))
        self.set_status(new)
        self.label(self.pods())
        say(f"{self.name}: {new} is the primary")

    def update(self, pods):
        """ReplicasFirstPrimaryLast: pods of an older template are replaced one at a time, the primary after a switchover. Returns true
        while one is being replaced."""
        wanted = self.api.get(f"{SETS}/{self.name}")["status"].get("updateRevision")
        old = [n for n, pod in pods.items() if pod["metadata"]["labels"].get("controller-revision-hash") != wanted]
        if not wanted or not old:
            return False
        if len(pods) < self.spec.get("replicas", 3) or not all(self.is_ready(pod) and ROLE in pod["metadata"]["labels"] for pod in pods.values()):
            return True
        replicas = [number for number in old if number != self.primary]
        if not replicas:
            self.switch_over(pods, next(number for number in pods if number != self.primary))
            return True
        say(f"{self.name}-{replicas[0]} is replaced")
        self.api.call("DELETE", f"{CORE}/pods/{self.name}-{replicas[0]}")
        return True

    def fail_over(self, pods):
        candidates = []
        for number, pod in pods.items():
            if number != self.primary and pod["status"].get("phase") == "Running":
                try:
                    with self.server(pod) as server:
                        server.run("STOP SLAVE IO_THREAD")
                        status = server.replication() or {}
                        candidates.append((int((status.get("Gtid_IO_Pos") or "0-0-0").rpartition("-")[2]), -number))
                except pymysql.MySQLError as error:
                    say(f"{self.name}-{number}: {error}")
        if not candidates:
            return
        received, number = max(candidates)
        new = -number
        say(f"{self.name}: {self.primary} is lost, {new} has received the most: {received}")
        with self.server(pods[new]) as promoted:
            deadline = time.monotonic() + SYNC_TIMEOUT
            while time.monotonic() < deadline:
                status = promoted.replication()
                if status["Gtid_IO_Pos"] == promoted.value("SELECT @@gtid_slave_pos"):
                    break
                time.sleep(0.1)
            self.promote(promoted)
            for other in [-other for _, other in candidates if -other != new]:
                with self.server(pods[other]) as server:
                    self.follow(server, new, self.whole_log(None))
        self.set_status(new)
        self.label(self.pods())
        say(f"{self.name}: {new} is the primary")


class Operator:
    def __init__(self):
        self.api, self.lost_since, self.changed = Api(), {}, {}

    def reconcile(self, resource):
        cluster = Cluster(self.api, resource)
        cluster.make()
        pods = cluster.pods()
        ready = {number for number, pod in pods.items() if cluster.is_ready(pod)}
        if cluster.primary is None:
            if len(pods) == cluster.spec.get("replicas", 3) and len(ready) == len(pods):
                cluster.begin(pods)
                cluster.label(pods)
            return
        if cluster.primary in ready:
            self.lost_since.pop(cluster.name, None)
            if cluster.wanted is not None and cluster.wanted != cluster.primary and cluster.wanted in ready:
                cluster.switch_over(pods, cluster.wanted)
                self.changed[cluster.name] = time.monotonic()
                return
        elif cluster.failover:
            since = self.lost_since.setdefault(cluster.name, time.monotonic())
            settled = time.monotonic() - self.changed.get(cluster.name, 0) >= PROMOTION_GRACE
            if settled and time.monotonic() - since >= FAILOVER_DELAY:
                cluster.fail_over(pods)
                self.changed[cluster.name] = time.monotonic()
                return
        cluster.configure_new(pods)
        cluster.label(pods)
        cluster.update(pods)

    def run(self):
        say("stand-in for mariadb-operator, namespace", SPACE)
        while True:
            try:
                for resource in self.api.get(RESOURCES)["items"]:
                    self.reconcile(resource)
            except (Missing, RuntimeError, OSError, KeyError, pymysql.MySQLError) as error:
                say(type(error).__name__, error)
            time.sleep(float(os.environ.get("INTERVAL", "0.5")))


if __name__ == "__main__":
    Operator().run()

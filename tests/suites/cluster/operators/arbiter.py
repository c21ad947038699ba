"""A home-made high availability as SlightShift's is: no operator's resource, and no label says who the primary is. An arbiter (three
of them by raft in the real one; a Deployment of one here) pings the primary, fences a dead one, applies what its binary log has to the
replica that has the most, promotes that one, and tells others by a notification. A server always starts read-only.

Its own books are in the ConfigMap `arbiter`: `primary`, and `wanted` for a planned switchover. The servers' data is mounted at /data.
"""

import glob
import os
import socket
import subprocess
import sys
import time

import pymysql

from kubernetes import Api, Missing
from servers import Server

SPACE = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="ascii").read().strip()
CORE = f"/api/v1/namespaces/{SPACE}"
BOOKS = f"{CORE}/configmaps/arbiter"
SELECTOR = "app%3Dslightshift-mysql,mysql-node%3Dtrue"
PODS = 3
# A primary that misses so many pings, of so many seconds each, is dead.
MISSES, PING_TIMEOUT, PAUSE = 3, 1, 0.3
CATCH_UP = 10


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def number_of(position):
    """The sequence number of the only domain."""
    return int((position or "0-0-0").rpartition("-")[2])


class Arbiter:
    def __init__(self):
        self.api, self.misses = Api(), 0
        self.primary = None

    def pods(self):
        """The pods that run, by their numbers."""
        listed = self.api.get(f"{CORE}/pods?labelSelector={SELECTOR}")["items"]
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in listed
                if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]}

    @staticmethod
    def address(pod):
        return pod["status"]["podIP"]

    @staticmethod
    def host(number):
        return f"shop-{number}.shop-internal.{SPACE}.svc.cluster.local"

    def note(self, primary):
        self.primary, self.misses = primary, 0
        self.api.merge(BOOKS, {"data": {"primary": str(primary), "wanted": str(primary)}})
        say(f"notification: shop-{primary} is the primary")

    def follow(self, server, primary):
        server.run("STOP SLAVE", "SET GLOBAL read_only = 1", "SET GLOBAL gtid_slave_pos = @@gtid_current_pos",
                   f"CHANGE MASTER TO MASTER_HOST = '{self.host(primary)}', MASTER_USER = 'repl', MASTER_CONNECT_RETRY = 1, "
                   f"MASTER_PASSWORD = '{os.environ['REPL_PASSWORD']}', MASTER_USE_GTID = slave_pos", "START SLAVE")

    def begin(self, pods):
        with self.server(pods, 0) as server:
            server.run("SET GLOBAL read_only = 0")
        self.note(0)

    def server(self, pods, number, timeout=30):
        return Server(self.address(pods[number]), os.environ["ROOT_PASSWORD"], PING_TIMEOUT, timeout)

    def is_alive(self, pods):
        try:
            with self.server(pods, self.primary, PING_TIMEOUT) as server:
                # A pod that came back by itself is read-only, and nobody's primary.
                return server.value("SELECT @@read_only") == 0
        except (KeyError, OSError, pymysql.MySQLError):
            return False

    def join(self, pods):
        """Whoever replicates from another one than the primary, or from nobody, becomes its replica."""
        for number in pods:
            if number == self.primary:
                continue
            try:
                with self.server(pods, number) as server:
                    status = server.replication()
                    if status is None or status["Master_Host"] != self.host(self.primary):
                        say(f"shop-{number} becomes a replica")
                        self.follow(server, self.primary)
                    elif status["Slave_SQL_Running"] != "Yes":
                        say(f"shop-{number}:", status["Last_SQL_Error"])
                        server.run("START SLAVE")
            except (OSError, pymysql.MySQLError) as error:
                say(f"shop-{number}:", error)

    def promote(self, server):
        server.run("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")

    def switch_over(self, pods, new):
        old = self.primary
        say(f"switchover from {old} to {new}")
        with self.server(pods, new) as promoted, self.server(pods, old) as locked:
            locked.run("SET GLOBAL read_only = 1", "FLUSH TABLES WITH READ LOCK")
            position = locked.value("SELECT @@gtid_binlog_pos")
            if promoted.value(f"SELECT MASTER_GTID_WAIT('{position}', {CATCH_UP})") != 0:
                locked.run("UNLOCK TABLES", "SET GLOBAL read_only = 0")
                say(f"shop-{new} lacks {position}: no switchover")
                self.note(old)
                return
            self.promote(promoted)
            self.note(new)
            locked.run("UNLOCK TABLES")

    def fence(self, pods):
        """SIGKILL for the server, and nobody answers at its address any more."""
        pod = pods.get(self.primary)
        if pod is None:
            return
        say(f"fences shop-{self.primary}")
        uid = pod["metadata"]["uid"]
        try:
            self.api.call("DELETE", f"{CORE}/pods/{pod['metadata']['name']}",
                          {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
        except Missing:
            pass
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.address(pod), 3306), timeout=PING_TIMEOUT).close()
            except ConnectionRefusedError:
                return
            except OSError:
                # Nothing answers there: the pod is gone, or its network is, and the kubelet kills the server within a second.
                time.sleep(1)
                return
            time.sleep(0.1)

    def apply_log_of(self, dead, address, position):
        """Applies what the dead one's binary log has behind this position."""
        files = sorted(glob.glob(f"/data/shop-{dead}/data/mariadb-bin.[0-9]*"))
        if not files:
            raise RuntimeError(f"shop-{dead} has no binary log")
        # mariadb-binlog fails where the log ends in the middle of an event. Nobody was told of that event.
        read = subprocess.run(["mariadb-binlog", "--no-defaults", f"--start-position={position}", *files], capture_output=True, check=False)
        if read.stderr.strip():
            say("mariadb-binlog:", read.stderr.decode(errors="replace")[-300:])
        applied = subprocess.run(["mariadb", "--no-defaults", "--skip-ssl", f"-h{address}", "-uroot", f"-p{os.environ['ROOT_PASSWORD']}"],
                                 input=read.stdout, capture_output=True, check=False)
        if applied.returncode != 0:
            say("mariadb:", applied.stderr.decode(errors="replace")[-300:])

    def fail_over(self, pods):
        dead = self.primary
        self.fence(pods)
        candidates = []
        for number in pods:
            if number != dead:
                with self.server(pods, number) as server:
                    server.run("STOP SLAVE IO_THREAD")
                    status = server.replication() or {}
                    candidates.append((number_of(status.get("Gtid_IO_Pos")), number))
        received, new = max(candidates)
        say(f"{dead} is dead, {new} has received the most: {received}")
        with self.server(pods, new) as promoted:
            deadline = time.monotonic() + CATCH_UP
            while time.monotonic() < deadline and number_of(promoted.value("SELECT @@gtid_slave_pos")) < received:
                time.sleep(0.05)
            promoted.run("STOP SLAVE")
            self.apply_log_of(dead, self.address(pods[new]), promoted.value("SELECT @@gtid_current_pos"))
            say("its log ends at", promoted.value("SELECT @@gtid_binlog_pos"))
            self.promote(promoted)
        self.note(new)

    def look(self):
        pods = self.pods()
        if self.primary is None:
            books = self.api.get(BOOKS).get("data", {})
            if "primary" in books:
                self.primary = int(books["primary"])
            elif len(pods) == PODS:
                self.begin(pods)
            return
        if not self.is_alive(pods):
            self.misses += 1
            if self.misses >= MISSES:
                self.fail_over(pods)
            return
        self.misses = 0
        wanted = int(self.api.get(BOOKS)["data"].get("wanted", self.primary))
        if wanted != self.primary and wanted in pods:
            self.switch_over(pods, wanted)
        self.join(pods)

    def run(self):
        say("arbiter, namespace", SPACE)
        while True:
            try:
                self.look()
            except (Missing, RuntimeError, OSError, KeyError, ValueError, pymysql.MySQLError) as error:
                say(type(error).__name__, error)
            time.sleep(PAUSE)


if __name__ == "__main__":
    Arbiter().run()

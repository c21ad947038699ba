"""What RadonDB's operator and its Xenon do. Xenon, beside each server in the real one, elects by raft: a leader that misses its heartbeats is
replaced by the follower that has the most, which is writable at once; followers turn to it; a leader that is back follows. The operator
asks every five seconds what each is, and labels it then: after a change the old leader and the new one may both be LEADER, or nobody is.
A server that has what the leader has not is INVALID, and gets new data.

Xenon's own books are in the ConfigMap `xenon`: `leader`, and `wanted` for a planned change (`xenoncli raft trytoleader`). The servers' data
is mounted at /data.
"""

import os
import shutil
import sys
import threading
import time

import pymysql

from kubernetes import Api, Missing
from servers import Server

SPACE = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="ascii").read().strip()
CORE = f"/api/v1/namespaces/{SPACE}"
BOOKS = f"{CORE}/configmaps/xenon"
SELECTOR = "mysql.radondb.com%2Fcluster%3Dshop"
PODS = 3
# Heartbeats that may be missed, of so many seconds each; the operator's interval.
MISSES, PING_TIMEOUT, PAUSE, POLL = 3, 1, 0.3, 5
CATCH_UP = 10
RECEIVED = ("SELECT CONCAT(@@gtid_executed, ',', COALESCE((SELECT received_transaction_set FROM performance_schema.replication_connection_status "
            "WHERE channel_name = ''), ''))")


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


class Xenon:
    def __init__(self):
        self.api, self.misses, self.leader = Api(), 0, None
        # Who turns to the leader at this moment: threads, by pods.
        self.joining = {}

    def pods(self):
        """The pods that run, by their numbers."""
        listed = self.api.get(f"{CORE}/pods?labelSelector={SELECTOR}")["items"]
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in listed
                if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]}

    @staticmethod
    def host(number):
        return f"shop-mysql-{number}.shop-mysql.{SPACE}.svc.cluster.local"

    @staticmethod
    def server(pods, number, timeout=30):
        return Server(pods[number]["status"]["podIP"], os.environ["ROOT_PASSWORD"], PING_TIMEOUT, timeout)

    def note(self, leader):
        self.leader, self.misses = leader, 0
        self.api.merge(BOOKS, {"data": {"leader": str(leader), "wanted": str(leader)}})
        say(f"{leader} is the leader")

    @staticmethod
    def lead(server):
        server.run("STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL rpl_semi_sync_replica_enabled = 0", "SET GLOBAL rpl_semi_sync_source_enabled = 1",
                   "SET GLOBAL read_only = 0")

    def follow(self, server, leader):
        server.run("STOP REPLICA", "SET GLOBAL rpl_semi_sync_replica_enabled = 1",
                   f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{self.host(leader)}', SOURCE_USER = 'radondb_repl', SOURCE_AUTO_POSITION = 1, "
                   f"SOURCE_PASSWORD = '{os.environ['ROOT_PASSWORD']}', GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1", "START REPLICA")

    def is_alive(self, pods):
        try:
            with self.server(pods, self.leader, PING_TIMEOUT) as server:
                # One that came back by itself is read-only, and nobody's leader.
                return server.value("SELECT @@read_only") == 0
        except (KeyError, OSError, pymysql.MySQLError):
            return False

    def join(self, pods):
        """Every other server follows the leader; each has a Xenon of its own, so that one which does not answer keeps nobody waiting."""
        with self.server(pods, self.leader) as server:
            executed = server.value("SELECT @@gtid_executed")
        for number in pods:
            if number != self.leader and (number not in self.joining or not self.joining[number].is_alive()):
                self.joining[number] = threading.Thread(target=self.join_one, args=(pods, number, self.leader, executed), daemon=True)
                self.joining[number].start()

    def join_one(self, pods, number, leader, executed):
        try:
            with self.server(pods, number) as server:
                source = server.value("SELECT host FROM performance_schema.replication_connection_configuration WHERE channel_name = ''")
                applies = server.value("SELECT service_state FROM performance_schema.replication_applier_status WHERE channel_name = ''")
                if source == self.host(leader) and applies == "ON" or leader != self.leader:
                    return
                # Xenon's order at a new leader's first heartbeat. Commits that wait for an acknowledgement end with the first one;
                # only then can the server become read-only, and its position shows them.
                server.run("SET GLOBAL rpl_semi_sync_source_enabled = 0", "SET GLOBAL super_read_only = 1")
                error = server.value("SELECT MAX(last_error_message) FROM performance_schema.replication_applier_status_by_worker")
                own = error or server.value(f"SELECT GTID_SUBTRACT(@@gtid_executed, '{executed}')")
                if own:
                    self.rebuild(number, own)
                else:
                    say(f"{number} follows")
                    self.follow(server, leader)
        except (Missing, RuntimeError, OSError, pymysql.MySQLError) as error:
            say(f"{number}:", error)

    def rebuild(self, number, own):
        say(f"{number} is INVALID: it gets new data: {own}")
        shutil.rmtree(f"/data/shop-mysql-{number}/data", ignore_errors=True)
        self.api.call("DELETE", f"{CORE}/pods/shop-mysql-{number}", {"gracePeriodSeconds": 0})
        time.sleep(3)

    def change(self, pods, new):
        old = self.leader
        say(f"trytoleader {new}")
        with self.server(pods, new) as next_one, self.server(pods, old) as former:
            former.run("SET GLOBAL super_read_only = 1")
            executed = former.value("SELECT @@gtid_executed")
            if next_one.value(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', {CATCH_UP})") != 0:
                former.run("SET GLOBAL read_only = 0")
                return self.note(old)
            self.lead(next_one)
        return self.note(new)

    def elect(self, pods):
        dead, sets = self.leader, {}
        for number in pods:
            if number != dead:
                with self.server(pods, number) as server:
                    server.run("STOP REPLICA IO_THREAD")
                    sets[number] = server.value(RECEIVED)
        if len(sets) < 2:
            raise RuntimeError("no majority")
        for new in sets:
            with self.server(pods, new) as server:
                if all(server.value(f"SELECT GTID_SUBSET('{other}', '{sets[new]}')") for other in sets.values()):
                    say(f"{dead} is silent, {new} has the most")
                    server.value(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{sets[new]}', {CATCH_UP})")
                    self.lead(server)
                    return self.note(new)
        raise RuntimeError(f"nobody has what all have: {sets}")

    def look(self):
        pods = self.pods()
        if self.leader is None:
            books = self.api.get(BOOKS).get("data", {})
            if "leader" in books:
                self.leader = int(books["leader"])
            elif len(pods) == PODS:
                with self.server(pods, 0) as server:
                    self.lead(server)
                self.note(0)
            return
        if not self.is_alive(pods):
            self.misses += 1
            if self.misses >= MISSES:
                self.elect(pods)
            return
        self.misses = 0
        wanted = int(self.api.get(BOOKS)["data"].get("wanted", self.leader))
        if wanted != self.leader and wanted in pods:
            self.change(pods, wanted)
        self.join(pods)

    def role(self, pods, number):
        """What `xenoncli raft status` says, and whether the server is healthy."""
        if number == self.leader and self.misses == 0:
            return "LEADER", "yes"
        try:
            with self.server(pods, number) as server:
                applies = server.value("SELECT service_state FROM performance_schema.replication_applier_status WHERE channel_name = ''")
            return "FOLLOWER", "yes" if applies == "ON" else "no"
        except (OSError, pymysql.MySQLError):
            # As the operator spells it.
            return "UNKNOW", "no"

    def run_operator(self):
        """Polls, and labels one pod after the other."""
        while True:
            time.sleep(POLL)
            try:
                pods = self.pods()
                for number, pod in pods.items():
                    if self.leader is None:
                        break
                    role, healthy = self.role(pods, number)
                    labels = {"role": role, "healthy": healthy}
                    if any(pod["metadata"]["labels"].get(name) != value for name, value in labels.items()):
                        self.api.merge(f"{CORE}/pods/{pod['metadata']['name']}", {"metadata": {"labels": labels}})
            except (Missing, RuntimeError, OSError, KeyError) as error:
                say("operator:", type(error).__name__, error)

    def run(self):
        say("Xenon and the operator, namespace", SPACE)
        threading.Thread(target=self.run_operator, daemon=True).start()
        while True:
            try:
                self.look()
            except (Missing, RuntimeError, OSError, KeyError, ValueError, pymysql.MySQLError) as error:
                say(type(error).__name__, error)
            time.sleep(PAUSE)


if __name__ == "__main__":
    Xenon().run()

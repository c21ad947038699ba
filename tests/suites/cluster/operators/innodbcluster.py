"""What Oracle's MySQL Operator does with an InnoDBCluster of three: forms a replication group, lets members that are back join it again,
and labels the members of the group's view with their roles, late. A member that is not in the view keeps its label, so a dead primary is
PRIMARY until it is back. The group itself elects its primary; a planned change is `group_replication_set_as_primary`, as MySQL Shell's
`setPrimaryInstance` does it.

env: ROOT_PASSWORD, LABELS_LATE (seconds)
"""

import os
import sys
import time

import pymysql

from kubernetes import Api, Missing
from servers import Server

SPACE = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="ascii").read().strip()
CORE = f"/api/v1/namespaces/{SPACE}"
SELECTOR = "mysql.oracle.com%2Fcluster%3Dshop,component%3Dmysqld"
ROLE = "mysql.oracle.com/cluster-role"
PODS, PAUSE = 3, 0.3
VIEW = "SELECT member_host, member_role, member_state FROM performance_schema.replication_group_members"


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


class Operator:
    def __init__(self):
        self.api, self.late = Api(), float(os.environ["LABELS_LATE"])
        self.roles, self.changed = {}, 0.0

    def pods(self):
        """The pods that have an address, by their numbers."""
        listed = self.api.get(f"{CORE}/pods?labelSelector={SELECTOR}")["items"]
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in listed
                if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]}

    @staticmethod
    def server(pod):
        return Server(pod["status"]["podIP"], os.environ["ROOT_PASSWORD"], 1, 60)

    @staticmethod
    def start(server, first):
        server.run("CHANGE REPLICATION SOURCE TO SOURCE_USER = 'mysql_innodb_cluster', "
                   f"SOURCE_PASSWORD = '{os.environ['ROOT_PASSWORD']}' FOR CHANNEL 'group_replication_recovery'",
                   f"SET GLOBAL group_replication_bootstrap_group = {int(first)}", "START GROUP_REPLICATION",
                   "SET GLOBAL group_replication_bootstrap_group = 0")

    def look_at_all(self):
        """Number -> (what the member says of itself, its view: number -> role, its transactions)."""
        seen = {}
        for number, pod in self.pods().items():
            try:
                with self.server(pod) as server:
                    rows = server.run(VIEW)
                    executed = server.value("SELECT @@gtid_executed")
            except (OSError, pymysql.MySQLError):
                continue
            view = {int(host.partition(".")[0].rpartition("-")[2]): (role, state) for host, role, state in rows if host}
            seen[number] = (view.get(number, ("", "OFFLINE"))[1], view, executed or "")
        return seen

    def look(self):
        seen = self.look_at_all()
        online = [number for number, (state, _, _) in seen.items() if state == "ONLINE"]
        if not online:
            if len(seen) == PODS and all(state in ("OFFLINE", "ERROR") for state, _, _ in seen.values()):
                self.begin(seen)
            return
        _, view, _ = seen[online[0]]
        for number, (state, _, _) in seen.items():
            # As long as the others have not given up on its former life, the group does not take it.
            if state in ("OFFLINE", "ERROR") and number not in view:
                self.rejoin(number)
        self.label({number: role for number, (role, state) in view.items() if state in ("ONLINE", "RECOVERING") and role})

    def begin(self, seen):
        """The first time, and after a complete outage: with the member that has what all others have."""
        def has_all(number):
            with self.server(self.pods()[number]) as server:
                return all(server.value(f"SELECT GTID_SUBSET('{executed}', @@gtid_executed)") for _, _, executed in seen.values())

        best = next((number for number in sorted(seen) if has_all(number)), None)
        if best is None:
            raise RuntimeError("no member has what all have: a person must choose")
        say(f"shop-{best} begins the group")
        with self.server(self.pods()[best]) as server:
            self.start(server, True)

    def rejoin(self, number):
        say(f"shop-{number} joins")
        try:
            with self.server(self.pods()[number]) as server:
                server.run("STOP GROUP_REPLICATION")
                self.start(server, False)
        except (KeyError, OSError, pymysql.MySQLError) as error:
            say(f"shop-{number}:", error)

    def label(self, roles):
        if roles != self.roles:
            say("the view:", roles)
            self.roles, self.changed = roles, time.monotonic()
        if time.monotonic() - self.changed < self.late:
            return
        for number, pod in self.pods().items():
            if number in roles and pod["metadata"]["labels"].get(ROLE) != roles[number]:
                self.api.merge(f"{CORE}/pods/{pod['metadata']['name']}", {"metadata": {"labels": {ROLE: roles[number]}}})

    def run(self):
        say("operator, namespace", SPACE)
        while True:
            try:
                self.look()
            except (Missing, RuntimeError, OSError, KeyError, ValueError, pymysql.MySQLError) as error:
                say(type(error).__name__, error)
            time.sleep(PAUSE)


if __name__ == "__main__":
    Operator().run()

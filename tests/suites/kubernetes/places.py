"""The addresses that install.py's clients and pods use: the real servers behind the operator's pods, and the address of a Service."""

import socket
import subprocess
import time

from kubelet import run
from operators import ALL


def eventually(seconds, attempt):
    """Its value, once it neither fails nor is None."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if (value := attempt()) is not None:
                return value
            why = "it did not come to pass"
        except (RuntimeError, AssertionError, LookupError) as error:
            why = error
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {why}")
        time.sleep(0.1)


class Servers:
    """The real ones behind the pods: a folder of tests/setup/cluster.sh, or one alike."""

    def __init__(self, work, kind):
        self.kind, self.folder = kind, work / kind
        self.count = len(list(self.folder.glob("*/port")))
        if kind == "galera" and self.folder.exists():
            self.switchover(0)

    def address(self, number):
        return f"10.244.{['', 'mariadb', 'mysql', 'galera'].index(self.kind)}.{10 + number}"

    def primary(self):
        return int((self.folder / "primary").read_text())

    def sql(self, number, text):
        return run("mariadb", "--no-defaults", "-uroot", "-S", str(self.folder / str(number) / "sock"), "-N", "-B", "-e", text).strip()

    def account(self, name, password, rights):
        """As the operator keeps it: with this password from now on."""
        who = f"'{name}'@'%'"
        everywhere, *others = rights.split("; ")
        if self.kind != "mysql" and rights != ALL:
            everywhere += ", SLAVE MONITOR"
        grants = [f"GRANT {right} TO {who} WITH GRANT OPTION" for right in (f"{everywhere} ON *.*", *others)]
        self.sql(self.primary(), f"""DROP USER IF EXISTS '{name}'@'127.0.0.1';
            CREATE USER IF NOT EXISTS {who} IDENTIFIED BY '{password}'; ALTER USER {who} IDENTIFIED BY '{password}';
            {"; ".join(grants)}""")

    def switchover(self, number):
        if self.kind == "galera":
            # Each may write: who does is a matter of labels, or of the pods' numbers.
            (self.folder / "primary").write_text(str(number))
        else:
            run("tests/setup/cluster.sh", "switchover", str(self.folder), str(number))


class Service:
    """A Service's address on this node, as kube-proxy keeps it: its ports lead to the ready pods that it selects."""

    SLOTS = 4

    def __init__(self, work, service, api):
        self.spec, self.api = service["spec"], api
        self.address, self.ports = self.spec["clusterIP"], {port["name"]: port["port"] for port in self.spec["ports"]}
        self.pods = f"/api/v1/namespaces/{service['metadata']['namespace']}/pods"
        self.socket = str(work / "service.sock")
        lines = ["global", f"stats socket {self.socket} level admin", "defaults", "mode tcp", "retries 0"]
        lines += ["timeout connect 2s", "timeout client 60s", "timeout server 60s"]
        for port in self.spec["ports"]:
            lines += [f"listen {port['name']}", f"bind {self.address}:{port['port']}"]
            lines += [f"server slot{slot} 127.0.0.1:1 disabled" for slot in range(self.SLOTS)]
        file = work / "service.cfg"
        file.write_text("\n".join(lines) + "\n")
        run("ip", "address", "add", f"{self.address}/32", "dev", "lo")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(file)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(60, lambda: self.say("show info"))

    def say(self, command):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(self.socket)
            except OSError as error:
                raise RuntimeError(str(error)) from None
            connection.sendall(command.encode() + b"\n")
            return connection.makefile().read()

    def update(self, pods):
        """New connections go to these, as far as they are ready and selected."""
        selector = ",".join(f"{key}={value}" for key, value in self.spec["selector"].items())
        ready = {
            pod["metadata"]["name"] for pod in self.api.get(self.pods, labelSelector=selector)["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        }
        pods = [pod for pod in pods if pod.name in ready]
        assert pods, f"no ready pod is selected by {selector}"
        for port in self.spec["ports"]:
            for slot in range(self.SLOTS):
                server = f"set server {port['name']}/slot{slot}"
                if slot < len(pods):
                    self.say(f"{server} addr {pods[slot].ip} port {pods[slot].port(port['targetPort'])}")
                self.say(f"{server} state {'ready' if slot < len(pods) else 'maint'}")

    def end(self):
        self.process.kill()
        self.process.wait()
        subprocess.run(["ip", "address", "delete", f"{self.address}/32", "dev", "lo"], check=False)

"""Tests the README's `helm install`, preset by preset, up to serving pods, and the uninstall. Used by install.sh, which lists what is real
and what is not. Prints "ok …" and "FAIL …" lines. usage: install.py WORK POINTSMAN [PRESET …]"""

import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import secrets
import shlex
import subprocess
import sys
import threading
import time

from api import Api
from kubelet import Image, Kubelet, run
from operators import CLUSTER, OPERATORS
from places import Servers, Service, eventually

SPACE = "databases"
RELEASE = "shop-proxy"
CHART = "deploy/helm/pointsman"
CORE = f"/api/v1/namespaces/{SPACE}"
# In these the pods' whole way out is walked, preStop's sleep included.
PATIENT = ("mariadb-operator", "moco")
# In this one all of the pods are replaced, one after the other.
ROLLED = "mariadb-operator"
TABLE = "test.installed"
# In seconds: what only a defect, not a busy machine, reaches.
PATIENCE = 60


class Failed(Exception):
    """Was reported already."""


failures = 0


@contextlib.contextmanager
def check(what, pods=()):
    """If it fails, with the last words of the pods that run by then."""
    global failures
    try:
        yield
    except Exception as why:  # whatever it was, the next preset has its turn
        failures += 1
        print(f"FAIL {what}")
        for line in (str(why) or type(why).__name__).splitlines()[:25]:
            print(f"    {line}")
        for pod in pods:
            print(f"    {pod.name}:", *pod.last_words().splitlines(), sep="\n      ")
        raise Failed from why
    finally:
        sys.stdout.flush()
    print(f"ok {what}", flush=True)


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what} is {got!r}, not {wanted!r}")


def readme_command():
    """The command as it stands in the README, one line."""
    text = pathlib.Path("README.md").read_text()
    (command,) = re.findall(r"^helm install (?:.*\\\n)*.*$", text, re.M)
    return command.replace("\\\n", " ")


def ended_well(pod, end):
    code, took, grace = end
    assert code == 0, f"{pod.name}: exit code {code} after {took:.1f} s of {grace} s\n{pod.last_words()}"


class Story:
    """One preset: what its operator made, the release, its pods."""

    def __init__(self, world, preset):
        self.work, self.api, self.kubelet, self.preset = world.work, world.api, world.kubelet, preset
        self.operator = OPERATORS[preset]
        self.servers = world.servers(self.operator.servers)
        self.names = [f"{self.operator.pods}-{number}" for number in range(self.servers.count)]
        self.passwords = {account.name: secrets.token_hex(8) for account in self.operator.accounts}
        self.user = self.operator.accounts[-1].name
        self.pods, self.service, self.made = [], None, 0

    # The operator's part.

    def make_cluster(self):
        for account in self.operator.accounts:
            self.servers.account(account.name, self.passwords[account.name], account.rights)
        for secret in self.secrets():
            data = {a.key: self.passwords[a.name] for a in self.operator.accounts if self.operator.secret_of(a) == secret}
            self.api.post(f"{CORE}/secrets", {"metadata": {"name": secret}, "stringData": {**data, "more": "x"}})
        for number, name in enumerate(self.names):
            container = {"name": "mysql", "image": "mysql"}
            if self.operator.port:
                container["ports"] = [{"name": self.operator.port, "containerPort": 3306}]
            labels = self.operator.common | self.role(number == self.servers.primary())
            # On a node, or its deletion would not wait for a kubelet.
            spec = {"nodeName": "node-1", "containers": [container]}
            self.api.post(f"{CORE}/pods", {"metadata": {"name": name, "labels": labels}, "spec": spec})
            status = {"phase": "Running", "podIP": self.servers.address(number), "podIPs": [{"ip": self.servers.address(number)}],
                      "conditions": [{"type": "Ready", "status": "True"}]}
            self.api.merge(f"{CORE}/pods/{name}/status", {"status": status})

    def secrets(self):
        return sorted({self.operator.secret_of(account) for account in self.operator.accounts})

    def role(self, primary):
        return self.operator.primary if primary else self.operator.replica

    def label(self, number, primary):
        """What it carries no more is taken away."""
        labels = dict.fromkeys(self.operator.primary | self.operator.replica) | self.role(primary)
        self.api.merge(f"{CORE}/pods/{self.names[number]}", {"metadata": {"labels": labels}})

    # The release.

    def helm(self, *arguments):
        return run("helm", *arguments)

    def install(self):
        words = shlex.split(readme_command())[1:]
        assert {f"cluster={CLUSTER}", RELEASE, SPACE} <= set(words), f"the README has another command: {words}"
        words[words.index("preset=mariadb-operator")] = f"preset={self.preset}"
        self.helm(*words, *self.operator.values)

    def deployment(self):
        return self.api.get(f"/apis/apps/v1/namespaces/{SPACE}/deployments/{RELEASE}-pointsman")["spec"]

    def start_pods(self, number):
        """So many more, as the Deployment's controller would make them, on this node."""
        template, new = self.deployment()["template"], []
        for _ in range(number):
            self.made += 1
            meta = {"name": f"{RELEASE}-pointsman-{self.preset}-{self.made}", "labels": template["metadata"]["labels"]}
            spec = {**template["spec"], "nodeName": "node-0"}
            new.append(self.kubelet.start(self.api.post(f"{CORE}/pods", {"metadata": meta, "spec": spec})))
            self.pods.append(new[-1])
        for pod in new:
            pod.wait_ready(PATIENCE)
            assert not (why := pod.probe("livenessProbe")), why
        if self.service:
            self.service.update(self.pods)

    def reports(self):
        """All of the pods say what is so."""
        for pod in self.pods:
            said = json.loads(pod.http("/topology")[1])
            same("the list of servers", [s["name"] for s in said["servers"]], self.names)
            same("their health", {s["health"] for s in said["servers"]}, {"up"})
            same("the writer", said["writer"], self.names[self.servers.primary()])
            same("who serves reads", sum(s["serves_reads"] for s in said["servers"]), self.servers.count - 1)
            same("the watches", [(k["resource"], k["connected"], k["error"]) for k in said["kubernetes"]], [("pods", True, None)])
        return True

    # A client's part.

    def query(self, port, text):
        """What a client gets that knows the Service alone."""
        return self.login(self.service.address, self.service.ports[port], text)

    def client_command(self, address, port):
        return ["mariadb", "--no-defaults", "-h", address, "-P", str(port), "-u", self.user, "--connect-timeout=10", "-N", "-B"]

    def client_environment(self):
        return {**os.environ, "MYSQL_PWD": self.passwords[self.user]}

    def login(self, address, port, text):
        command = [*self.client_command(address, port), "-e", text]
        done = subprocess.run(command, env=self.client_environment(), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{text}: {done.stderr.strip()}")
        return done.stdout.strip()

    def write(self, word):
        """Through the Service; the row says which server wrote it, and the session reads its own write."""
        word = f"{self.preset} {word}"
        read = f"SELECT server FROM {TABLE} WHERE word = '{word}'"
        return int(self.query("mysql", f"INSERT INTO {TABLE} (word, server) VALUES ('{word}', @@server_id); {read}")) - 1

    def client(self):
        self.query("mysql", f"CREATE TABLE IF NOT EXISTS {TABLE} (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(99), server INT)")
        same("who wrote", self.write("first"), self.servers.primary())
        count = f"SELECT COUNT(*) FROM {TABLE} WHERE word = '{self.preset} first'"
        eventually(PATIENCE, lambda: same("rows on a replica", self.query("mysql-ro", count), "1") or True)
        try:
            self.query("mysql-ro", f"DELETE FROM {TABLE}")
        except RuntimeError as error:
            assert "1290" in str(error), error
        else:
            raise AssertionError("the read-only port took a write")

    def move(self):
        old = self.servers.primary()
        new = (old + 1) % self.servers.count

        def labels():
            self.label(new, True)
            self.label(old, False)

        if self.operator.moves == "labels first":
            labels()
        self.servers.switchover(new)
        if self.operator.moves == "labels follow":
            labels()
        same("the primary", self.servers.primary(), new)
        eventually(PATIENCE, self.reports)
        same("who wrote", self.write("after the move"), new)

    # Day two.

    def upgrade(self):
        """A changed key and new passwords, the probes' too, are in effect without a restart, when the kubelet brings them; one more pod."""
        running, replicas = list(self.pods), len(self.pods) + 1
        self.helm("upgrade", RELEASE, CHART, "--namespace", SPACE, "--reuse-values",
                  "--set", f"replicaCount={replicas}", "--set", "config.limits.max_connections=5000",
                  # The pods that run are to take it over.
                  "--set", "configChange=reload",
                  # A server that stands still for a moment is not lost: the next steps want no change of the primary.
                  "--set", "config.monitor.interval=1s")
        for account in self.operator.accounts:
            self.passwords[account.name] = secrets.token_hex(8)
            self.servers.account(account.name, self.passwords[account.name], account.rights)
            new = base64.b64encode(self.passwords[account.name].encode()).decode()
            self.api.merge(f"{CORE}/secrets/{self.operator.secret_of(account)}", {"data": {account.key: new}})
        for pod in running:
            pod.refresh()
        same("the Deployment's pods", self.deployment()["replicas"], replicas)
        self.start_pods(1)
        for pod in self.pods:
            eventually(PATIENCE, lambda: self.login(pod.ip, pod.port("mysql"), "SELECT 1"))
        for pod in running:
            eventually(PATIENCE, lambda: re.search(r'"changed":"[^"]*limits', pod.log.read_text()))
            assert "the new monitor account does not work" not in pod.log.read_text(), pod.last_words()
        self.write("after the upgrade")

    def roll(self):
        """Another image: pod by pod, while clients come and go."""
        self.helm("upgrade", RELEASE, CHART, "--namespace", SPACE, "--reuse-values", "--set", "image.tag=next")
        image = self.deployment()["template"]["spec"]["containers"][0]["image"]
        assert image.endswith(":next"), image
        done, count = threading.Event(), 0

        def clients():
            nonlocal count
            while not done.is_set():
                self.write(f"while it rolls, {count}")
                count += 1

        with concurrent.futures.ThreadPoolExecutor() as pool:
            writes = pool.submit(clients)
            try:
                for old in list(self.pods):
                    self.start_pods(1)
                    self.pods.remove(old)
                    self.service.update(self.pods)
                    ended_well(old, old.end())
            finally:
                done.set()
            writes.result()
        assert count > 20, f"only {count} clients wrote"

    def uninstall(self):
        self.helm("uninstall", RELEASE, "--namespace", SPACE, "--wait")
        patient = self.preset in PATIENT
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ends = [pool.submit(pod.end, patient) for pod in self.pods]
            if patient:
                self.who_is_there_may_finish()
        pods, self.pods = self.pods, []
        for pod, end in zip(pods, ends):
            ended_well(pod, end.result())

    def who_is_there_may_finish(self):
        """Beside pods that end: a client that comes in during preStop, and a transaction that ends after SIGTERM."""
        hook = self.pods[0].container.get("lifecycle")
        assert hook, "pods end without notice"
        sleep = hook["preStop"]["sleep"]["seconds"]
        row = f"INSERT INTO {TABLE} (word) VALUES ('{self.preset} at the end')"
        time.sleep(1)
        self.write("while the pods go")
        client = subprocess.Popen(
            self.client_command(self.service.address, self.service.ports["mysql"]), env=self.client_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        client.stdin.write(f"START TRANSACTION; {row};\n")
        client.stdin.flush()
        time.sleep(sleep)
        said, _ = client.communicate("COMMIT;\n", timeout=PATIENCE)
        same("what the client of an open transaction was told", (client.returncode, said), (0, ""))
        count = self.servers.sql(self.servers.primary(), f"SELECT COUNT(*) FROM {TABLE} WHERE word = '{self.preset} at the end'")
        same("what it wrote", count, "1")

    def nothing_left(self, before):
        self.service.end()
        self.service = None
        eventually(PATIENCE, lambda: same("what is left", self.api.everything() - before, set()) or True)

    def step(self, what):
        return check(f"{self.preset}: {what}", self.pods)

    def play(self):
        with self.step("the cluster's pods and Secret are made"):
            self.make_cluster()
            before = self.api.everything()
        with self.step("helm install, as the README has it"):
            self.install()
        with self.step("its pods are ready"):
            self.start_pods(self.deployment()["replicas"])
        with self.step("they report the cluster's pods"):
            eventually(PATIENCE, self.reports)
        with self.step("a client writes and reads through the Service"):
            service = self.api.get(f"{CORE}/services/{RELEASE}-pointsman")
            self.service = Service(self.work, service, self.api)
            self.service.update(self.pods)
            self.client()
        if self.operator.moves:
            with self.step("the primary moves, and writes follow it"):
                self.move()
        with self.step("helm upgrade and a new password reach pods that run"):
            self.upgrade()
        if self.preset == ROLLED:
            with self.step("helm upgrade to another image, and no client notices"):
                self.roll()
        with self.step("helm uninstall, and the pods end in time"):
            self.uninstall()
        with self.step("nothing is left of the release"):
            self.nothing_left(before)

    def clean(self):
        if self.service:
            self.service.end()
        for pod in self.pods:
            pod.remove()
        subprocess.run(["helm", "uninstall", RELEASE, "--namespace", SPACE], capture_output=True, check=False)
        for path in [f"secrets/{secret}" for secret in self.secrets()] + [f"pods/{name}" for name in self.names]:
            with contextlib.suppress(RuntimeError):
                self.api.delete(f"{CORE}/{path}", 0)


class World:
    def __init__(self, work, pointsman):
        self.work = pathlib.Path(work)
        self.api = Api(self.work / "server")
        self.api.post("/api/v1/namespaces", {"metadata": {"name": SPACE}})
        # Controllers would make these.
        self.api.post(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
        self.api.post(f"{CORE}/configmaps", {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self.api.ca}})
        self.kubelet = Kubelet(self.api, Image(pointsman, self.work / "image"), self.work / "pods")

    def servers(self, kind):
        # Where there is no MySQL, MariaDB stands in.
        return Servers(self.work, kind if (self.work / kind).exists() or kind == "galera" else "mariadb")


def main(work, pointsman, *wanted):
    world = World(work, pointsman)
    presets = sorted(path.name for path in pathlib.Path("deploy/kustomize/overlays").iterdir())
    with contextlib.suppress(Failed), check("each preset has a story here"):
        same("the list of presets", presets, sorted(OPERATORS))
    for preset in wanted or OPERATORS:
        if not world.servers(OPERATORS[preset].servers).folder.exists():
            print(f"skip {preset}: no {OPERATORS[preset].servers} here")
            continue
        story = Story(world, preset)
        with contextlib.suppress(Failed):
            story.play()
        story.clean()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])

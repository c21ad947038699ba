"""Plays what happens to a cluster on a real node, under clients that keep books, and prints what came of it. Needs a cluster of
cluster.sh with the images `database` and `proxy`. Prints "ok …" and "FAIL …" lines, and a table.

usage: scenes.py [SCENE …]    (default: all; `--short`: those of every test run)
A scene fails for a statement's error that is not in doubt, an acknowledged row that is not there, a row that is there twice, pods whose
rows differ. Times are printed, and fail nothing.
"""

import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLUSTER = str(HERE / "cluster.sh")
SPACE = "databases"
PROXY = "shop-proxy-pointsman"
SECONDS = 30
PASSWORD = "books"


def run(*command, quiet=False, **more):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, **more)
    if done.returncode != 0 and not quiet:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-800:]}")
    return done.stdout


def kubectl(*arguments, **more):
    return run(CLUSTER, "kubectl", "--namespace", SPACE, *arguments, **more)


def eventually(seconds, what, ask):
    end = time.time() + seconds
    while True:
        try:
            if answer := ask():
                return answer
            why = "no"
        except RuntimeError as error:
            why = str(error)
        if time.time() > end:
            raise RuntimeError(f"{what}: not within {seconds} s: {why}")
        time.sleep(0.3)


def apply(*files):
    for file in files:
        kubectl("apply", "--filename", str(file))


def status(field):
    return kubectl("get", "mariadb", "shop", "--output", f"jsonpath={{.status.{field}}}").strip()


def primary():
    return int(status("currentPrimaryPodIndex"))


def sql(pod, text):
    """As root, past the proxy; rows, tab-separated."""
    script = 'exec mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -N -B -e "$1"'
    return kubectl("exec", f"shop-{pod}", "--", "bash", "-c", script, "bash", text)


def pods(selector):
    listed = json.loads(kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]
    return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def all_ready():
    servers = pods("app.kubernetes.io/instance=shop")
    roles = sorted(pod["metadata"]["labels"].get("k8s.mariadb.com/role", "") for pod in servers)
    return roles == ["primary", "replica", "replica"] and all(map(is_ready, servers))


# What is built.


def build(semi_sync):
    operators = HERE / "operators"
    run(CLUSTER, "kubectl", "apply", "--filename", str(ROOT / "tests/kubernetes/mariadb-crd.yaml"))
    run(CLUSTER, "kubectl", "create", "namespace", SPACE)
    files = [f"--from-file={operators / name}" for name in ("mariadb_operator.py", "kubernetes.py", "server.sh", "ready.sh", "alive.sh")]
    kubectl("create", "configmap", "mariadb-operator", *files)
    kubectl("create", "configmap", "books", f"--from-file={HERE / 'books.py'}")
    apply(operators / "mariadb-operator.yaml", ROOT / "deploy/demo/shop.yaml", HERE / "client.yaml")
    eventually(120, "three pods with their roles", all_ready)
    values = ["image.repository=docker.io/pointsman-tests/proxy", "image.tag=local", "preset=mariadb-operator", "cluster=shop",
              "test.image=docker.io/pointsman-tests/database:local"]
    run(CLUSTER, "helm", "install", "shop-proxy", str(ROOT / "deploy/helm/pointsman"), "--namespace", SPACE,
        *[part for value in values for part in ("--set", value)])
    kubectl("rollout", "status", f"deployment/{PROXY}", "--timeout=120s")
    kubectl("rollout", "status", "deployment/client", "--timeout=60s")
    sql(primary(), "CREATE DATABASE books; CREATE TABLE books.log (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL); "
                   "CREATE TABLE books.direct (token VARCHAR(40)); CREATE USER app@'%' IDENTIFIED BY 'books'; "
                   "GRANT ALL ON books.* TO app@'%'; GRANT BINLOG MONITOR, SLAVE MONITOR ON *.* TO app@'%'")
    set_semi_sync(semi_sync)


def set_semi_sync(on):
    patch = {"spec": {"replication": {"semiSyncEnabled": on}}}
    kubectl("patch", "mariadb", "shop", "--type=merge", "--patch", json.dumps(patch))
    switch = "ON" if on else "OFF"
    for pod in range(3):
        sql(pod, f"SET GLOBAL rpl_semi_sync_{'master' if pod == primary() else 'slave'}_enabled = {switch}")


# What happens. Each returns when it is over for whoever did it; the clients go on.


def switchover():
    new = (primary() + 1) % 3
    kubectl("patch", "mariadb", "shop", "--type=merge", "--patch", json.dumps({"spec": {"replication": {"primary": {"podIndex": new}}}}))
    eventually(60, "the switchover", lambda: primary() == new)


def replaced(act):
    old = primary()
    act(old)
    eventually(60, "another primary", lambda: primary() != old)
    eventually(90, "the former primary's return", all_ready)


def deleted():
    replaced(lambda old: kubectl("delete", "pod", f"shop-{old}", "--wait=false"))


def deleted_by_force():
    replaced(lambda old: kubectl("delete", "pod", f"shop-{old}", "--grace-period=0", "--force", "--wait=false"))


def killed():
    """As the kernel does when memory is short."""
    replaced(lambda old: signal(old, "KILL"))


def signal(pod, name):
    processes = run(CLUSTER, "inside", "pgrep", "--full", f"^mariadbd .*--server-id={pod + 10} ").split()
    run(CLUSTER, "inside", "kill", f"-{name}", *processes)


def paused():
    """Three seconds, as a busy disk or a frozen machine does: no probe of the kubelet gives up on it."""
    old = primary()
    signal(old, "STOP")
    time.sleep(3)
    signal(old, "CONT")


def operator_away():
    """The primary is lost while nobody can replace it."""
    kubectl("scale", "deployment/mariadb-operator", "--replicas=0")
    kubectl("delete", "pod", f"shop-{primary()}", "--grace-period=0", "--force", "--wait=false")
    time.sleep(8)
    kubectl("scale", "deployment/mariadb-operator", "--replicas=1")
    eventually(90, "the end of it", all_ready)


def servers_rolled():
    before = {pod["metadata"]["uid"] for pod in pods("app.kubernetes.io/instance=shop")}
    patch = {"spec": {"podAnnotations": {"rolled": str(time.time())}}}
    kubectl("patch", "mariadb", "shop", "--type=merge", "--patch", json.dumps(patch))
    eventually(120, "three new pods", lambda: not before & {pod["metadata"]["uid"] for pod in pods("app.kubernetes.io/instance=shop")})
    eventually(90, "three pods with their roles", all_ready)


def proxy_rolled():
    kubectl("rollout", "restart", f"deployment/{PROXY}")
    kubectl("rollout", "status", f"deployment/{PROXY}", "--timeout=180s")


def proxy_upgraded():
    run(CLUSTER, "helm", "upgrade", "shop-proxy", str(ROOT / "deploy/helm/pointsman"), "--namespace", SPACE, "--reuse-values",
        "--set", "config.pool.idle_timeout=7m", "--wait", "--timeout", "180s")


def proxy_pod_drained():
    pod = pods("app.kubernetes.io/instance=shop-proxy")[0]["metadata"]["name"]
    kubectl("delete", "pod", pod, "--wait=false")


# name: (what happens, semi-synchronous, seconds of traffic)
SCENES = {
    "switchover, semi-sync": (switchover, True, 25),
    "switchover": (switchover, False, 15),
    "primary's pod deleted": (deleted, False, 45),
    "primary's pod deleted by force": (deleted_by_force, False, 40),
    "primary's server killed": (killed, False, 45),
    "primary paused for 3 s": (paused, False, 15),
    "primary lost, operator away for 8 s": (operator_away, False, 50),
    "servers rolled": (servers_rolled, False, 90),
    "proxy rolled": (proxy_rolled, False, 25),
    "proxy upgraded by helm": (proxy_upgraded, False, 30),
    "proxy's pod drained": (proxy_pod_drained, False, 20),
}
SHORT = ("switchover, semi-sync", "switchover", "primary's server killed", "proxy rolled")


class Books:
    """The clients of one scene, in their pod."""

    def __init__(self, seconds):
        addresses = ",".join(pod["status"]["podIP"] for pod in pods("app.kubernetes.io/instance=shop"))
        command = [CLUSTER, "kubectl", "--namespace", SPACE, "exec", "deployment/client", "--", "env", f"HOST={PROXY}", f"PASSWORD={PASSWORD}",
                   f"DIRECT={addresses}", "python3", "-B", "/books/books.py", str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def closed(self):
        out, err = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise RuntimeError(f"the clients: {err[-500:]}")
        return json.loads(out)


def gaps(times):
    """The times without an acknowledged write of anyone: how long, from when, until when."""
    times = sorted(times)
    return [(after - before, before, after) for before, after in zip(times, times[1:])]


def servers_own(direct, silence):
    """The clients' longest silence past the proxy, of those that overlap with this one."""
    _, began, ended = silence
    return max((gap for gap in gaps(direct) if gap[2] > began and gap[1] < ended), default=(0, began, began))


def rows_of(pod):
    return sql(pod, "SELECT token FROM books.log ORDER BY token").split()


def settled():
    """Every replica has what the primary has."""
    counts = {sql(pod, "SELECT COUNT(*), MAX(id) FROM books.log") for pod in range(3)}
    return len(counts) == 1


def play(name):
    act, semi_sync, seconds = SCENES[name]
    set_semi_sync(semi_sync)
    sql(primary(), "DELETE FROM books.log; DELETE FROM books.direct")
    books = Books(seconds)
    time.sleep(4)
    act()
    clients = books.closed()
    eventually(90, "three pods with their roles", all_ready)
    try:
        eventually(30, "replicas that have everything", settled)
        differ = 0
    except RuntimeError:
        differ = 1
    writers = [c for c in clients if c["name"].startswith("w")]
    readers = [c for c in clients if c["name"].startswith("r")]
    direct = [c for c in clients if c["name"].startswith("d")]
    stored = rows_of(primary())
    there = set(stored)
    told = [token for c in writers for token in c["acknowledged"]]
    doubt = {token for c in writers for token in c["doubt"]}
    codes = sorted(e[0] for c in writers + readers for e in c["errors"])
    silence = max(gaps([t for c in writers for t in c["times"]]), default=(0, 0, 0))
    own = servers_own([t for c in direct for t in c["times"]], silence)
    result = {
        "acknowledged": len(told), "reads": sum(len(c["acknowledged"]) for c in readers),
        "errors": len(codes) - len(doubt), "in doubt": len(doubt),
        "lost": len([t for t in told if t not in there]), "twice": len(stored) - len(there), "rows differ": differ,
        "silence": silence[0], "own": own[0], "beyond": max(0.0, silence[2] - own[2]),
        "longest read": max(c["stall"] for c in readers),
    }
    print(f"   {name}: " + ", ".join(f"{k} {v:.3f} s" if isinstance(v, float) else f"{k} {v}" for k, v in result.items()))
    texts = {}
    for error in (e for c in writers + readers for e in c["errors"]):
        texts[error[1]] = texts.get(error[1], 0) + 1
    for text, count in texts.items():
        print(f"      {count} × {text}")
    slow = [(c["name"], *times) for c in readers for times in c["slow"]]
    for client, began, login, took in slow[:8]:
        print(f"      {client} waited for {took:.2f} s, {login:.2f} s of it for its connection, {began - silence[1]:+.2f} s from the silence's begin")
    bad = {k: result[k] for k in ("errors", "lost", "twice", "rows differ") if result[k]}
    print(f"FAIL {name}: {bad}" if bad else f"ok {name}", flush=True)
    return result, bool(bad)


def main():
    names = sys.argv[1:] or list(SCENES)
    if names == ["--short"]:
        names = list(SHORT)
    failed, results = 0, {}
    try:
        build(True)
        print("ok the operator's cluster, Pointsman from its chart")
        print(run(CLUSTER, "helm", "test", "shop-proxy", "--namespace", SPACE, "--timeout", "120s").split("Phase:")[-1].split("\n")[0].strip(), "helm test")
        for name in names:
            results[name], bad = play(name)
            failed += bad
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"FAIL {error}")
        print(kubectl("get", "pods", "--output=wide", quiet=True))
        print(kubectl("logs", "deployment/mariadb-operator", "--tail=20", quiet=True))
        failed += 1
    print("\n| scene | acknowledged writes | errors | in doubt | lost | twice | writes' silence | of it the servers' own | beyond | longest read |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, r in results.items():
        print(f"| {name} | {r['acknowledged']:,} | {r['errors']} | {r['in doubt']} | {r['lost']} | {r['twice']} | {r['silence']:.2f} s | "
              f"{r['own']:.2f} s | {r['beyond'] * 1000:.0f} ms | {r['longest read']:.2f} s |")
    sys.exit(1 if failed else 0)


main()

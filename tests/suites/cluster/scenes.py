"""Plays what happens to a cluster on a real node, under clients that keep books, and prints what came of it. Needs a cluster of
cluster.sh with the images `database` and `proxy`. Prints "ok …" and "FAIL …" lines, and a table.

usage: scenes.py [--home-made|--moco|--kubeblocks|--innodbcluster|--radondb] [SCENE …]    (default: all; `--short`: those of every test run)
  In place of the stand-in for mariadb-operator:
  --home-made: with an arbiter, and without labels for roles
  --moco: with MOCO itself, and MySQL; needs the images `mysql`, `moco` and `moco-agent`, too
  --kubeblocks: with KubeBlocks itself, and MySQL's group replication; needs the images `mysql`, `kubeblocks` and `kubeblocks-tools`, too
  --innodbcluster: with the stand-in for Oracle's operator, and MySQL; needs the image `mysql`, too
  --radondb: the same, for RadonDB's
A scene fails for a statement's error that is not in doubt, an acknowledged row that is not there, a row that is there twice, pods whose
rows differ. Times are printed, and fail nothing; nor do lost rows and rows that differ in a scene of `may_lose` in which
clients past the proxy lost acknowledged rows, too.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from kinds import LEFT_OUT, HomeMade, InnoDbCluster, KubeBlocks, MariaDbOperator, Moco, RadonDb
from node import CLUSTER, PASSWORD, PROXY, ROOT, SPACE, apply, eventually, is_ready, kubectl, pods, run

# What the application's password becomes.
OTHER_PASSWORD = "records"
KINDS = {"--home-made": HomeMade, "--moco": Moco, "--kubeblocks": KubeBlocks, "--innodbcluster": InnoDbCluster, "--radondb": RadonDb}
kind = next((made() for option, made in KINDS.items() if option in sys.argv), None) or MariaDbOperator()


# What happens. Each returns when it is over for whoever did it; the clients go on.


def switchover():
    kind.switch_over()


def replaced(act):
    old = kind.primary()
    act(old)
    eventually(60, "another primary", lambda: kind.primary() != old)
    eventually(240, "the former primary's return", kind.all_ready)


def deleted():
    replaced(lambda old: kubectl("delete", "pod", kind.pod(old), "--wait=false"))


def deleted_by_force():
    replaced(lambda old: kubectl("delete", "pod", kind.pod(old), "--grace-period=0", "--force", "--wait=false"))


def killed():
    """As the kernel does when memory is short."""
    if kind.replaces_killed:
        return replaced(lambda old: signal(old, "KILL"))
    signal(kind.primary(), "KILL")
    time.sleep(5)
    return eventually(240, "the server's return", kind.all_ready)


def signal(pod, name):
    run(CLUSTER, "inside", "kill", f"-{name}", kind.process(pod))


def paused(seconds):
    old = kind.primary()
    signal(old, "STOP")
    time.sleep(seconds)
    signal(old, "CONT")


def paused_for_a_moment():
    """As a busy disk does."""
    paused(0.5)


def paused_for_a_while():
    """As a frozen machine does: no probe of the kubelet gives up on it."""
    paused(3)


def paused_until_replaced():
    """Somebody replaces it. When it wakes up it still takes itself for the primary, and executes what it was sent before: then its rows are
    not those of the new primary, and it cannot replicate, unless somebody makes it follow. So this is the last scene."""
    old = kind.primary()
    paused(30)
    if kind.primary() == old:
        raise RuntimeError("nobody replaced the primary")
    if kind.heals_paused:
        return eventually(240, "the former primary's return", kind.all_ready)
    LEFT_OUT.add(kind.pod(old))
    time.sleep(20)
    return print("   the former primary:", kind.replication(old))


def network_of(pod):
    """The node's end of the pod's network cable."""
    link = run(CLUSTER, "inside", "nsenter", "--net", f"--target={kind.process(pod)}", "ip", "-o", "link", "show", "dev", "eth0")
    index = link.split("@if")[1].split(":")[0]
    links = run(CLUSTER, "inside", "ip", "-o", "link").splitlines()
    return next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{index}: "))


def cut_off():
    """Ten seconds. The kubelet's probes run inside the pod and do not notice: an operator waits, an arbiter does not."""
    cable = network_of(kind.primary())
    run(CLUSTER, "inside", "ip", "link", "set", cable, "down")
    time.sleep(10)
    # It went with its pod, where that was replaced.
    run(CLUSTER, "inside", "ip", "link", "set", cable, "up", quiet=True)
    eventually(90, "the end of it", kind.all_ready)


def scaled():
    """To two and back. The operator takes the last pod away; if that is the primary, it has been moved before."""
    if kind.primary() == 2:
        switchover()
    for count in (2, 3):
        kind.scale(count)
        eventually(90, f"{count} pods with their roles", lambda count=count: kind.all_ready(count))
        time.sleep(3)


def password_changed():
    """There and back, as the operator's User resource does when its Secret changes."""
    for password in (OTHER_PASSWORD, PASSWORD):
        kind.sql(kind.primary(), f"ALTER USER app@'%' IDENTIFIED BY '{password}'")
        time.sleep(5)


def probes_fail():
    """True if a server lets no probe of a proxy in."""
    ask = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
    for pod in pods("app.kubernetes.io/instance=shop-proxy"):
        told = kubectl("exec", "deployment/client", "--", "python3", "-c", ask, f"http://{pod['status']['podIP']}:9090/topology")
        if any(server["barred"] for server in json.loads(told)["servers"]):
            return True
    return False


def probes_password_changed():
    """There and back: the account's, then the Secret's, which the kubelet brings to the proxies a minute later. Until then the servers refuse
    the probes."""
    account = kind.account("monitor")
    user, secret, key, password = (account[name] for name in ("user", "secret", "key", "password"))
    for new in (f"another {password}", password):
        kind.sql(kind.primary(), f"ALTER USER {user}@'%' IDENTIFIED BY '{new}'")
        time.sleep(1)
        # A connection that is there goes on with the former password.
        for pod in range(3):
            for connection in kind.sql(pod, f"SELECT id FROM information_schema.processlist WHERE user = '{user}'").split():
                kind.sql(pod, f"KILL {connection}")
        eventually(10, "refused probes", probes_fail)
        began = time.time()
        kubectl("patch", "secret", secret, "--type=merge", "--patch", json.dumps({"stringData": {key: new}}))
        eventually(150, "probes with the new password", lambda: not probes_fail())
        print(f"   the probes were refused until {time.time() - began:.0f} s after the Secret's change")


def operator_away(seconds=8):
    """The primary is lost while nobody can replace it."""
    beside = (CLUSTER, "kubectl", "--namespace", kind.space)
    run(*beside, "scale", f"deployment/{kind.controller}", "--replicas=0")
    # One that is killed in the middle of a failover leaves replicas that nobody connects again.
    eventually(30, "the end of whoever takes care", lambda: not run(*beside, "get", "pods", "--selector", kind.label, "--output", "name").strip())
    kubectl("delete", "pod", kind.pod(kind.primary()), "--grace-period=0", "--force", "--wait=false")
    time.sleep(seconds)
    run(*beside, "scale", f"deployment/{kind.controller}", "--replicas=1")
    eventually(90, "the end of it", kind.all_ready)


def operator_away_for_long():
    """For longer than the proxy lets clients wait by default."""
    upgrade("config.failover.hold=120s")
    # Those with the former time still serve the clients that they have.
    eventually(120, "the former proxies' end",
               lambda: len(kubectl("get", "pods", "--selector", "app.kubernetes.io/instance=shop-proxy", "--output", "name").split()) == 2)
    operator_away(60)
    upgrade("config.failover.hold=30s")


def all_replaced(ask):
    before = {pod["metadata"]["uid"] for pod in kind.servers()}
    ask()
    eventually(240, "three new pods", lambda: not before & {pod["metadata"]["uid"] for pod in kind.servers()})
    # A group takes a member back a minute after it left.
    eventually(240, "three pods with their roles", kind.all_ready)


def servers_rolled():
    all_replaced(lambda: kind.replace_all(str(time.time())))


def image_changed():
    """The servers get the same image under another tag, which the node has."""
    all_replaced(kind.change_image)
    images = {container["image"] for pod in kind.servers() for container in pod["spec"]["containers"] if kind.image in container["image"]}
    if images != {f"{kind.image}:next"}:
        raise RuntimeError(f"the servers' images are {images}")


def store(name, secret_type, files):
    """Makes or replaces a Secret. `files`: key -> path."""
    made = kubectl("create", "secret", "generic", name, f"--type={secret_type}", "--dry-run=client", "--output=json",
                   *[f"--from-file={key}={path}" for key, path in files.items()])
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(made)
        file.flush()
        apply(file.name)


class Authority:
    """A CA as the operator makes one, in a folder of its own."""

    def __init__(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pointsman-authority."))
        self.certificate, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", str(self.key), "-out", str(self.certificate))

    def issues_for_servers(self):
        names = ["localhost", *[f"*.shop-internal{end}" for end in ("", f".{SPACE}", f".{SPACE}.svc", f".{SPACE}.svc.cluster.local")]]
        key, certificate = self.folder / "tls.key", self.folder / "tls.crt"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=shop", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
            "-addext", "basicConstraints=critical,CA:FALSE", "-CA", str(self.certificate), "-CAkey", str(self.key),
            "-keyout", str(key), "-out", str(certificate))
        store("shop-server-cert", "kubernetes.io/tls", {"tls.crt": certificate, "tls.key": key})

    def is_trusted(self, *others):
        bundle = self.folder / "bundle"
        bundle.write_text("".join(authority.certificate.read_text() for authority in (self, *others)))
        store("shop-ca-bundle", "Opaque", {"ca.crt": bundle})


AUTHORITIES = []


def tls_switched_on():
    """The servers get certificates, one pod after the other; then the proxy verifies them."""
    first = Authority("first")
    AUTHORITIES.append(first)
    first.is_trusted()
    first.issues_for_servers()
    kind.patch({"tls": {"enabled": True}})
    servers_rolled()
    upgrade("serversTls.caSecret=operator", "passwords=watched")


def authority_changed():
    """As the operator renews its CA: both are trusted, all servers get certificates of the new one, the old one is forgotten. The proxy
    reads the Secret by the API: in a mounted one the kubelet may leave the old certificates for two minutes."""
    if not AUTHORITIES:
        tls_switched_on()
    old, new = AUTHORITIES[-1], Authority("second")
    AUTHORITIES.append(new)
    old.is_trusted(new)
    time.sleep(5)
    new.issues_for_servers()
    servers_rolled()
    new.is_trusted()
    time.sleep(5)


def proxy_rolled():
    kubectl("rollout", "restart", f"deployment/{PROXY}")
    kubectl("rollout", "status", f"deployment/{PROXY}", "--timeout=180s")


def upgrade(*values):
    run(CLUSTER, "helm", "upgrade", "shop-proxy", str(ROOT / "deploy/helm/pointsman"), "--namespace", SPACE, "--reuse-values",
        *[part for value in values for part in ("--set", value)], "--wait", "--timeout", "180s")


def proxy_upgraded():
    upgrade("config.pool.idle_timeout=7m")


def proxy_pod_drained():
    pod = pods("app.kubernetes.io/instance=shop-proxy")[0]["metadata"]["name"]
    kubectl("delete", "pod", pod, "--wait=false")


def query(port, statement):
    """As the application, through the proxy of the replica cluster: the first row, or the error's number."""
    script = ("import pymysql, sys\ntry:\n"
              f"    c = pymysql.connect(host='branch-proxy-pointsman', port={port}, user='app', password='{PASSWORD}', database='books', read_timeout=20)\n"
              "    cursor = c.cursor()\n    cursor.execute(sys.argv[1])\n    print(cursor.fetchone())\n"
              "except pymysql.MySQLError as error:\n    print('ERROR', error.args[0])")
    return kubectl("exec", "deployment/client", "--", "python3", "-c", script, statement).strip()


def replica_cluster():
    """Another cluster in the same namespace, which replicates from this one and has no primary of its own, with a proxy of its own: that
    is ready, serves reads, and refuses writes."""
    kind.branch()
    run(CLUSTER, "helm", "install", "branch-proxy", str(ROOT / "deploy/helm/pointsman"), "--namespace", SPACE,
        *[part for value in kind.values if not value.startswith("cluster=") for part in ("--set", value)],
        "--set", "cluster=branch,image.repository=docker.io/pointsman-tests/proxy,image.tag=local,replicaCount=1")
    kubectl("rollout", "status", "deployment/branch-proxy-pointsman", "--timeout=240s")
    eventually(60, "the rows in the replica cluster", lambda: query(6447, "SELECT COUNT(*) > 0 FROM log") == "(1,)")
    for port in (6447, 3306):
        refused = query(port, "INSERT INTO log (token) VALUES ('nobody')")
        print(f"   a write through the replica cluster's port {port}: {refused}")
        if not refused.startswith("ERROR"):
            raise RuntimeError("the replica cluster took a write")
    run(CLUSTER, "helm", "uninstall", "branch-proxy", "--namespace", SPACE)
    kubectl("delete", "mysqlcluster", "branch", "--wait=false")


def namespace_deleted():
    """With the servers, their Secrets and the proxy in it, under another proxy in another namespace. That one goes on, is not ready, and says
    why. Returns what is wrong."""
    space = "watchers"
    beside = (CLUSTER, "kubectl", "--namespace", space)
    run(CLUSTER, "kubectl", "create", "namespace", space)
    run(CLUSTER, "helm", "install", "watcher", str(ROOT / "deploy/helm/pointsman"), "--namespace", space,
        *[part for value in kind.values for part in ("--set", value)],
        "--set", f"clusterNamespace={SPACE},passwords=watched,image.repository=docker.io/pointsman-tests/proxy,image.tag=local,replicaCount=1")
    run(*beside, "rollout", "status", "deployment/watcher-pointsman", "--timeout=120s")
    began = time.time()
    run(CLUSTER, "kubectl", "delete", "namespace", SPACE, "--timeout=240s")
    print(f"   the namespace was gone after {time.time() - began:.1f} s")
    eventually(60, "a proxy that is not ready", lambda: not is_ready(json.loads(run(*beside, "get", "pods", "--output", "json"))["items"][0]))
    said = run(*beside, "exec", "deployment/watcher-pointsman", "--", "pointsman", "status")
    print("      " + said.replace("\n", "\n      "))
    log = run(*beside, "logs", "deployment/watcher-pointsman")
    print("      " + "\n      ".join(log.splitlines()[-12:]))
    pod = json.loads(run(*beside, "get", "pods", "--output", "json"))["items"][0]
    restarts = sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
    return [wrong for wrong, is_so in (("it was started again", restarts), ("it panicked", "panicked" in log)) if is_so]


# name: (what happens, semi-synchronous, seconds of traffic)
SCENES = {
    "switchover, semi-sync": (switchover, True, 25),
    "switchover": (switchover, False, 15),
    "primary's pod deleted": (deleted, False, 45),
    "primary's pod deleted by force": (deleted_by_force, False, 40),
    "primary's server killed": (killed, False, 45),
    "primary paused for 0.5 s": (paused_for_a_moment, False, 12),
    "primary paused for 3 s": (paused_for_a_while, False, 15),
    "primary cut off for 10 s": (cut_off, False, 45),
    "primary lost, operator away for 8 s": (operator_away, False, 50),
    "primary lost, operator away for a minute": (operator_away_for_long, False, 180),
    "servers rolled": (servers_rolled, False, 90),
    "servers' image changed": (image_changed, False, 90),
    "scaled to two and back": (scaled, False, 60),
    "application's password changed twice": (password_changed, False, 20),
    "probes' password changed twice": (probes_password_changed, False, 240),
    "proxy rolled": (proxy_rolled, False, 25),
    "proxy upgraded by helm": (proxy_upgraded, False, 30),
    "proxy's pod drained": (proxy_pod_drained, False, 20),
    "replica cluster beside it": (replica_cluster, False, 150),
    "TLS switched on": (tls_switched_on, False, 110),
    "CA changed": (authority_changed, False, 110),
    "primary paused for 30 s": (paused_until_replaced, False, 80),
}
# Played last: nothing is there afterwards.
NAMESPACE_DELETED = "namespace deleted"
SHORT = ("switchover, semi-sync", "switchover", "primary's server killed", "proxy rolled")


class Books:
    """The clients of one scene, in their pod. They write what they were told to a file there: a stream through the API server may break
    while its node is busy."""

    IN_POD = ("cd /tmp; rm -f ended; (setsid env HOST=$1 PASSWORDS=$2 DIRECT=$3 python3 -B /books/books.py $4 >told 2>errors; echo $? >ended) "
              "</dev/null >/dev/null 2>&1 &")

    def __init__(self, seconds):
        addresses = ",".join(pod["status"]["podIP"] for pod in kind.servers())
        self.in_pod(self.IN_POD, PROXY, f"{PASSWORD},{OTHER_PASSWORD}", addresses, str(seconds))
        self.until = time.time() + seconds

    @staticmethod
    def in_pod(script, *arguments):
        return kubectl("exec", "deployment/client", "--", "bash", "-c", script, "bash", *arguments)

    def closed(self):
        time.sleep(max(0.0, self.until - time.time()))
        code = eventually(200, "the end of the clients", lambda: self.in_pod("cat /tmp/ended")).strip()
        if code != "0":
            raise RuntimeError(f"the clients: {self.in_pod('tail --bytes=500 /tmp/errors')}")
        return eventually(30, "the clients' books", lambda: json.loads(self.in_pod("cat /tmp/told")))


def gaps(times):
    """The times without an acknowledged write of anyone: how long, from when, until when."""
    times = sorted(times)
    return [(after - before, before, after) for before, after in zip(times, times[1:])]


def servers_own(direct, silence):
    """The clients' longest silence past the proxy, of those that overlap with this one."""
    _, began, ended = silence
    return max((gap for gap in gaps(direct) if gap[2] > began and gap[1] < ended), default=(0, began, began))


def rows_of(pod, table="log"):
    return kind.sql(pod, f"SELECT token FROM books.{table} ORDER BY token").split()


def settled():
    """Every replica has what the primary has."""
    counts = {kind.sql(pod, "SELECT COUNT(*), MAX(id) FROM books.log") for pod in range(3) if kind.pod(pod) not in LEFT_OUT}
    return len(counts) == 1


def play(name):
    act, semi_sync, seconds = SCENES[name]
    kind.set_semi_sync(semi_sync)
    seconds = kind.longer.get(name, seconds)
    kind.sql(kind.primary(), "DELETE FROM books.log; DELETE FROM books.direct")
    books = Books(seconds)
    time.sleep(4)
    act()
    clients = books.closed()
    eventually(240, "three pods with their roles", kind.all_ready)
    try:
        # One that was rebuilt gets all of it again.
        eventually(90, "replicas that have everything", settled)
        differ = 0
    except RuntimeError:
        differ = 1
        for pod in range(3):
            print(f"   {kind.pod(pod)}:", kind.replication(pod))
    writers = [c for c in clients if c["name"][0] in "wv"]
    readers = [c for c in clients if c["name"].startswith("r")]
    direct = [c for c in clients if c["name"].startswith("d")]
    stored = rows_of(kind.primary())
    there = set(stored)
    told = [token for c in writers for token in c["acknowledged"]]
    doubt = {token for c in writers for token in c["doubt"]}
    codes = sorted(e[0] for c in writers + readers for e in c["errors"])
    silence = max(gaps([t for c in writers for t in c["times"]]), default=(0, 0, 0))
    own = servers_own([t for c in direct for t in c["times"]], silence)
    kept = set(rows_of(kind.primary(), "direct"))
    own_lost = sum(token not in kept for c in direct for token in c["acknowledged"])
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
    if name in kind.may_lose and own_lost:
        print(f"   {name}: the servers themselves lost {own_lost} acknowledged rows of clients past the proxy")
        bad = {k: bad[k] for k in bad if k not in ("lost", "rows differ")}
    print(f"FAIL {name}: {bad}" if bad else f"ok {name}", flush=True)
    return result, bool(bad)


def main():
    names = [name for name in sys.argv[1:] if name not in KINDS]
    names = list(SHORT) if names == ["--short"] else names or [*SCENES, NAMESPACE_DELETED]
    names = [name for name in names if name not in kind.leaves_out]
    failed, results = 0, {}
    try:
        kind.build("switchover, semi-sync" not in kind.leaves_out)
        print("ok the cluster, Pointsman from its chart")
        print(run(CLUSTER, "helm", "test", "shop-proxy", "--namespace", SPACE, "--timeout", "120s").split("Phase:")[-1].split("\n")[0].strip(), "helm test")
        if kind.preset:
            wrong = kind.as_listed()
            failed += bool(wrong)
            print(f"FAIL deploy/presets.toml: {'; '.join(wrong)}" if wrong else f"ok labels, ports, Secrets and accounts are as deploy/presets.toml says of {kind.preset}")
        for name in names:
            if name != NAMESPACE_DELETED:
                results[name], bad = play(name)
                failed += bad
        if NAMESPACE_DELETED in names:
            wrong = namespace_deleted()
            failed += bool(wrong)
            print(f"FAIL {NAMESPACE_DELETED}: {wrong}" if wrong else f"ok {NAMESPACE_DELETED}")
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"FAIL {error}")
        print(kubectl("get", "pods", "--output=wide", quiet=True))
        print(run(CLUSTER, "kubectl", "--namespace", kind.space, "logs", f"deployment/{kind.controller}", "--tail=40", quiet=True))
        for pod in range(3):
            print(f"   {kind.pod(pod)}:", kind.replication(pod))
        failed += 1
    for authority in AUTHORITIES:
        shutil.rmtree(authority.folder)
    print("\n| scene | acknowledged writes | errors | in doubt | lost | twice | writes' silence | of it the servers' own | beyond | longest read |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, r in results.items():
        print(f"| {name} | {r['acknowledged']:,} | {r['errors']} | {r['in doubt']} | {r['lost']} | {r['twice']} | {r['silence']:.2f} s | "
              f"{r['own']:.2f} s | {r['beyond'] * 1000:.0f} ms | {r['longest read']:.2f} s |")
    sys.exit(1 if failed else 0)


main()

"""The processes that are compared: a cluster of real servers, and the ways to it: direct and HAProxy (both to the
primary), a `split` port of Pointsman (the default) and a `primary` port of another Pointsman."""
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETUP = os.path.join(ROOT, "tests", "setup")
TICK = os.sysconf("SC_CLK_TCK")
THREADS = 2

HAPROXY = """global
  nbthread {threads}
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen mysql
  bind 127.0.0.1:{port}
  server primary 127.0.0.1:{server}
"""


def cpu_seconds(pid):
    if not pid:
        return 0.0
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def free_port():
    script = f'. "{SETUP}/lib.sh"; free_port'
    return int(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout)


class Cluster:
    """tests/setup/cluster.sh as an object."""

    def __init__(self, name, replicas, kind="mariadb", options=()):
        """`options`: more options of the servers."""
        self.kind = kind
        self.servers = range(replicas + 1)
        self.dir = os.path.join(os.environ["SCRATCH"], name)
        self.do("start", kind, replicas, *options)
        if not os.environ.get("UNGRANTED"):
            # What docs/servers.md recommends: connections that have only read and written tables are not reset.
            self.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'")

    def do(self, verb, *args):
        done = subprocess.run([os.path.join(SETUP, "cluster.sh"), verb, self.dir, *map(str, args)], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True, check=True)
        return done.stdout

    def port(self, *number):
        return int(self.do("port", *number))

    def primary(self):
        return int(self.do("primary"))

    def pid(self, server):
        with open(os.path.join(self.dir, str(server), "harness.pid"), encoding="utf-8") as f:
            return int(f.read())

    def sql(self, text, server=None):
        server = self.primary() if server is None else server
        command = ["mariadb", "--no-defaults", "-uroot", "-S", f"{self.dir}/{server}/sock", "-N", "-B", "-e", text]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def catch_up(self):
        """Waits until every replica has what the primary has."""
        position, wait = "@@gtid_binlog_pos", "MASTER_GTID_WAIT"
        if self.kind == "mysql":
            position, wait = "REPLACE(@@gtid_executed, '\\n', '')", "WAIT_FOR_EXECUTED_GTID_SET"
        position = self.sql(f"SELECT {position}").strip()
        for server in self.servers[1:]:
            if self.sql(f"SELECT {wait}('{position}', 60)", server).strip() != "0":
                raise RuntimeError(f"server {server} did not reach {position}")

    def stop(self):
        self.do("stop")


class Target:
    def __init__(self, name, port, process=None, http=0, readers=0):
        """`readers`: the port of mode "replica" of Pointsman."""
        self.name, self.port, self.process, self.http, self.readers = name, port, process, http, readers
        self.pid = process.pid if process else 0

    @staticmethod
    def start(name, cluster, pool=0):
        """`pool`: limits.max_server_connections of Pointsman, when it is not to be the default."""
        if name == "direct":
            return Target(name, cluster.port())
        if name in ("eventual", "strong"):
            target = pointsman("split", cluster, pool, f'[consistency]\nlevel = "{name}"\n')
            target.name = name
            return target
        return haproxy(cluster) if name == "haproxy" else pointsman(name, cluster, pool)

    def scrape(self):
        """All metrics of Pointsman."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def metric(self, name):
        """A sum over all labels of a metric of Pointsman; None for the others."""
        if not self.http:
            return None
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)", self.scrape(), re.M)
        if not found:
            raise RuntimeError(f"no metric {name}")
        return int(sum(map(float, found)))

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def haproxy(cluster):
    port = free_port()
    path = os.path.join(os.environ["SCRATCH"], "haproxy.cfg")
    with open(path, "w", encoding="utf-8") as f:
        f.write(HAPROXY.format(threads=THREADS, port=port, server=cluster.port()))
    process = subprocess.Popen(["haproxy", "-f", path], stdin=subprocess.DEVNULL)
    time.sleep(0.5)
    if process.poll() is not None:
        raise RuntimeError("HAProxy did not start")
    return Target("haproxy", port, process)


# The accounts of the configuration alone: a refused login does not wait for the servers' account tables.
CONFIGURED = """
[credentials]
sources = ["configuration"]

[[users]]
name = "app"
password = "app"
"""


def pointsman(mode, cluster, pool, more="", tls="", servers_tls="disabled", edit=lambda text: text, binary=None):
    """`tls`: lines of `[listeners.tls]` of the first port; `edit` has the last word on the configuration; `binary`: another
    build than that of this repository."""
    rw, ro, http = free_port(), free_port(), free_port()
    path = os.path.join(os.environ["SCRATCH"], f"pointsman-{rw}.toml")
    config = cluster.do("config", rw, ro, http).replace(
        'mode = "primary"', f'mode = "{mode}"\n' + (f"\n[listeners.tls]\n{tls}\n" if tls else ""), 1)
    # The others do not encrypt; MySQL would have it.
    config += f'\n[servers_tls]\nmode = "{servers_tls}"\n'
    if pool:
        config += f"\n[limits]\nmax_server_connections = {pool}\n"
    config += f"\n{more}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(edit(f"workers = {THREADS}\n" + config))
    log = path + ".log"
    binary = binary or os.environ.get("POINTSMAN") or os.path.join(os.environ["TARGET_DIR"], "dist", "pointsman")
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([binary, "run", "--config", path], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    target = Target(mode, rw, process, http, ro)
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz", timeout=1):
                pass
            # Ready is who knows the primary; reads are to find the replicas, too.
            if target.metric("pointsman_server_serves_reads") >= len(cluster.servers) - 1:
                return target
        except OSError:
            pass
        time.sleep(0.1)
        if process.poll() is not None:
            break
    process.kill()
    with open(log, encoding="utf-8") as f:
        print(f.read()[-2000:], file=sys.stderr)
    raise RuntimeError("Pointsman did not become ready")

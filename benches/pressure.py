"""Many clients over few server connections: how long the active clients wait while most clients are idle, and the cost of idle
clients. The clients are crowd.rs; connections are counted by the servers themselves."""
import json
import os
import subprocess
import threading
import time

from targets import Target, pointsman, rss_kib
from wire import Connection

CROWD = os.path.join(os.environ["TARGET_DIR"], "bench", "crowd")
# Connecting at a time: few enough that nobody should have to wait.
IDLE_THREADS = 8
# Numbers of idle clients. A process here may have 20,000 descriptors, and a TCP relay needs two for each client.
CROWDS = [1000, 5000, 9000]
COUNT = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'"


class Watch(threading.Thread):
    """The most connections of the application's account that were open on each server at a time."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.sessions = [Connection(cluster.port(n), "super", "super") for n in cluster.servers]
        self.most = [0] * len(self.sessions)

    def look(self):
        for n, session in enumerate(self.sessions):
            self.most[n] = max(self.most[n], int(session.query(COUNT)[0][0]))

    def run(self):
        while not self.over.wait(0.2):
            self.look()

    def end(self):
        self.over.set()
        self.join()
        self.look()
        for session in self.sessions:
            session.close()
        return self.most


class Crowd:
    """crowd.rs, step by step."""

    def __init__(self, target, clients, active, secs=0, every_ms=0, turns=False, reads=False):
        command = [CROWD, target.port, clients, active, secs, every_ms, int(turns), int(reads)]
        self.patience = secs + 180
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.timer = threading.Timer(self.patience, self.process.kill)
        self.timer.start()

    def wait(self, word):
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"the crowd said {line!r} instead of {word!r}")

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def figures(self):
        out = self.process.stdout.read()
        if self.process.wait():
            raise RuntimeError("the crowd failed")
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def metric(target, name):
    return target.metric(name) or 0


def one_load(cluster, target, settings, every_ms, turns):
    """A proxy gets all clients, the server itself only the active ones: it has a thread for each."""
    clients = settings["active"] if target.name == "direct" else settings["clients"]
    names = ["pointsman_pool_waits_total", "pointsman_connection_steals_total", "pointsman_proxy_errors_total"]
    with Crowd(target, clients, settings["active"], settings["secs"], every_ms, turns) as crowd:
        crowd.wait("connected")
        before = [metric(target, n) for n in names]
        watch = Watch(cluster)
        watch.start()
        crowd.go()
        crowd.wait("loaded")
        after = [metric(target, n) for n in names]
        connections = watch.end()
        crowd.go()
        figures = crowd.figures()
    waits, steals, made = (b - a for a, b in zip(before, after))
    return figures | {"connections": connections, "waits": waits, "steals": steals, "proxy_errors": made}


def loads(settings):
    pace = settings["pace_ms"]
    return [("paced", f"one of these every {pace} ms", pace, False),
            ("turns", f"one of these every {pace} ms, each time by another client", pace, True),
            ("closed", "one after the other, without a pause", 0, False)]


def active(cluster, settings, say):
    """Rounds of each load on each target in turn."""
    results = {}
    # The first load after the tables were filled would pay for what servers still write.
    one_load(cluster, Target("direct", cluster.port()), settings | {"secs": 2}, settings["pace_ms"], False)
    for key, text, every_ms, turns in loads(settings):
        say(f"{settings['clients']} clients, {settings['active']} active: {text}")
        names = [n for n in settings["targets"] if n != "primary"]
        rounds = {n: [] for n in names}
        for _ in range(settings["rounds"]):
            for name in names:
                # A fresh one: no pool is warm from the load before.
                target = Target.start(name, cluster, settings["pool"])
                try:
                    rounds[name].append(one_load(cluster, target, settings, every_ms, turns))
                finally:
                    target.stop()
                figures = rounds[name][-1]
                say(f"  {name}: p50 {figures['p50']} ms, p99 {figures['p99']} ms, {figures['qps']:.0f}/s, "
                    f"{figures['errors']} errors {figures['words'] or ''}")
        results[key] = {"text": text, "rounds": rounds}
    return results


def idle_one(cluster, settings, target, clients):
    """One proxy with this many clients, each of which runs one statement, waits, and runs another one. The first few clients
    of a proxy, which touch its code, were there before."""
    with Crowd(target, IDLE_THREADS, IDLE_THREADS) as crowd:
        crowd.wait("connected")
        crowd.go()
        crowd.wait("loaded")
        crowd.go()
        crowd.figures()
    size = rss_kib(target.pid)
    watch = Watch(cluster)
    watch.start()
    with Crowd(target, clients, IDLE_THREADS) as crowd:
        crowd.wait("connected")
        time.sleep(1)
        result = {"connections": watch.end(), "waits": target.metric("pointsman_pool_waits_total"),
                  "kib": (rss_kib(target.pid) - size) / clients}
        crowd.go()
        crowd.wait("loaded")
        crowd.go()
        figures = crowd.figures()
    return result | {"errors": figures["errors"], "words": figures["words"]}


def crowds(cluster, settings, say):
    """The memory of a proxy per idle client, for several numbers of clients, on both drivers."""
    rows = []
    for clients in CROWDS:
        row = {"clients": clients}
        for name in ("haproxy", "epoll", "io_uring"):
            if name == "haproxy":
                target = Target.start("haproxy", cluster, 0)
            else:
                target = pointsman("split", cluster, settings["pool"], edit=lambda text, io=name: f'io = "{io}"\n{text}')
            try:
                time.sleep(0.5)
                row[name] = idle_one(cluster, settings, target, clients)
            finally:
                target.stop()
            say(f"{clients} idle clients, {name}: {row[name]}")
        rows.append(row)
    return rows


def idle(cluster, settings, say):
    """Clients that ran one plain statement each and then sit there; then each runs another one."""
    results = []
    tries = [("haproxy", 0)] if "haproxy" in settings["targets"] else []
    if "split" in settings["targets"]:
        tries += [("split", settings["pool"]), ("split", settings["default_pool"])]
    for name, pool in tries:
        say(f"{settings['idle']} clients of {name}{f', limit {pool}' if pool else ''}: one statement each, then idle")
        target = Target.start(name, cluster, pool)
        try:
            time.sleep(0.5)
            result = {"name": name, "limit": pool}
            results.append(result | idle_one(cluster, settings, target, settings["idle"]))
            say(f"  {results[-1]}")
        finally:
            target.stop()
    return results

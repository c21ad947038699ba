"""Runs the comparison: each measurement takes the targets in turn, round after round. Started by run.sh."""
import json
import os
import statistics
import subprocess
import sys
import threading
import time

import failover
import table
from targets import Cluster, Target, cpu_seconds, rss_kib
from wire import Connection

ROUNDS = int(os.environ.get("ROUNDS", 3))
SECS = int(os.environ.get("SECS", 8))
IDLE = int(os.environ.get("IDLE", 2000))
MIB = int(os.environ.get("MIB", 1024))
CONNECTS = int(os.environ.get("CONNECTS", 8000))
FAILOVERS = int(os.environ.get("FAILOVERS", 3))
CLIENT = os.path.join(os.environ["TARGET_DIR"], "bench", "connect")

# Name, sysbench test, threads, prepared statements, further arguments.
WORKLOADS = [
    ("point select, prepared, 16 threads", "oltp_point_select", 16, "auto", []),
    ("point select, text, 16 threads", "oltp_point_select", 16, "disable", []),
    ("point select, text, 200 threads", "oltp_point_select", 200, "disable", []),
    ("oltp_read_write, text, 16 threads", "oltp_read_write", 16, "disable", []),
    ("oltp_read_only, text, 16 threads", "oltp_read_only", 16, "disable", ["--skip_trx=on"]),
]


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def sysbench(port, test, *args):
    command = ["sysbench", test, "--mysql-host=127.0.0.1", f"--mysql-port={port}", "--mysql-user=app",
               "--mysql-password=app", "--mysql-db=sbtest", "--tables=2", "--table-size=20000", "--mysql-ssl=off",
               "--percentile=99", "--mysql-ignore-errors=1213,1205,1020", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def figure(text, marker, word):
    """The number in that word after a marker: `queries:   123 (4.5 per sec.)`."""
    rest = text.split(marker, 1)[1].split()
    return float(rest[word].lstrip("("))


def one_round(target, test, threads, prepared, extra):
    before = cpu_seconds(target.pid)
    out = sysbench(target.port, test, f"--threads={threads}", f"--time={SECS}", f"--db-ps-mode={prepared}",
                   *extra, "run")
    used = cpu_seconds(target.pid) - before
    queries = figure(out, "queries:", 0)
    return {"qps": figure(out, "queries:", 1), "p99": figure(out, "99th percentile:", 0), "cpu": used / queries * 1e6}


def queries(targets):
    rows = []
    for name, *workload in WORKLOADS:
        say(name)
        rounds = {t.name: [] for t in targets}
        for _ in range(ROUNDS):
            for target in targets:
                rounds[target.name].append(one_round(target, *workload))
        rows.append({"name": name, "rounds": rounds})
    return rows


def client(*args):
    done = subprocess.run([CLIENT, *map(str, args)], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.strip()}")
    return float(done.stdout)


def growth_during(pid, work):
    """What `work` returns, and by how many MiB the process grew beyond its size before."""
    if not pid:
        return work(), 0.0
    before = peak = rss_kib(pid)
    over = threading.Event()

    def watch():
        nonlocal peak
        while not over.wait(0.01):
            peak = max(peak, rss_kib(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return work(), max(0, peak - before) / 1024
    finally:
        over.set()
        watcher.join()


def bulk(targets, what):
    say(f"{MIB} MiB: {what}")
    rounds = {t.name: [] for t in targets}
    for _ in range(ROUNDS):
        for target in targets:
            speed, growth = growth_during(target.pid, lambda t=target: client(what, t.port, MIB))
            rounds[target.name].append({"speed": speed, "growth": growth})
    return rounds


def connects(targets):
    say(f"{CONNECTS} times connect, select 1, close")
    rounds = {t.name: [] for t in targets}
    for _ in range(ROUNDS):
        for target in targets:
            rounds[target.name].append(client("connect", target.port, CONNECTS, 8))
    return {name: statistics.median(seconds) for name, seconds in rounds.items()}


def idle(targets):
    """KiB a client that logged in and says nothing costs the proxy."""
    say(f"{IDLE} idle clients")
    cost = {}
    for target in targets:
        if not target.pid:
            continue
        time.sleep(0.5)
        before = rss_kib(target.pid)
        clients = [Connection(target.port) for _ in range(IDLE)]
        time.sleep(1)
        cost[target.name] = (rss_kib(target.pid) - before) / IDLE
        for c in clients:
            c.close()
        time.sleep(1)
    return cost


def fresh(cluster, measure, *args):
    """Measures with proxies started for it: what a proxy kept from earlier work would hide what this work needs."""
    targets = []
    try:
        for name in os.environ["TARGETS"].split():
            targets.append(Target.start(name, cluster))
            client("connect", targets[-1].port, 80, 8)
        return measure(targets, *args)
    finally:
        for target in targets:
            target.stop()


def main():
    say("starting a primary and a replica")
    cluster = Cluster("main", replicas=1)
    try:
        cluster.sql("SET GLOBAL max_connections = 10000; CREATE TABLE sbtest.sink (a INT)")
        sysbench(cluster.port(), "oltp_read_write", "prepare")
        results = {"idle": fresh(cluster, idle), "result": fresh(cluster, bulk, "result"),
                   "load": fresh(cluster, bulk, "load"), "connects": fresh(cluster, connects),
                   "workloads": fresh(cluster, queries)}
    finally:
        cluster.stop()
    if "pointsman" in os.environ["TARGETS"]:
        results["failover"] = failover.measure(FAILOVERS, say)
    results["settings"] = {"rounds": ROUNDS, "secs": SECS, "idle": IDLE, "mib": MIB, "connects": CONNECTS,
                           "failovers": FAILOVERS}
    with open(os.path.join(os.environ["TARGET_DIR"], "bench", "results.json"), "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    table.publish(results)


if __name__ == "__main__":
    main()

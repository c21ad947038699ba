"""Runs the comparison: each measurement takes the targets in turn, round after round. Started by run.sh, with the
parts to run as arguments; each part's tables are written as soon as it is done."""
import json
import os
import statistics
import subprocess
import sys
import threading

import commits
import connects
import digests
import drivers
import failover
import former
import levels
import logins
import pressure
import table
import tap
import traces
import tls
import workers
from connects import client
from targets import Cluster, Target, cpu_seconds, rss_kib


def setting(name, default):
    return int(os.environ.get(name, default))


ROUNDS = setting("ROUNDS", 3)
SECS = setting("SECS", 8)
TARGETS = os.environ["TARGETS"].split()
SETTINGS = {
    "rounds": ROUNDS, "secs": SECS, "targets": TARGETS, "mib": setting("MIB", 1024), "connects": setting("CONNECTS", 8000),
    "failovers": setting("FAILOVERS", 3), "clients": setting("CLIENTS", 2000), "active": setting("ACTIVE", 200),
    "pool": setting("POOL", 32), "pace_ms": setting("PACE_MS", 40), "idle": setting("IDLE", 5000), "default_pool": 1000,
    "logins": setting("LOGINS", 1000), "flood_secs": setting("FLOOD_SECS", 10), "tries": setting("TRIES", 10000),
}
MIB = SETTINGS["mib"]

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
        for n, seen in rounds.items():
            say(f"  {n}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs" for r in seen))
        rows.append({"name": name, "rounds": rounds})
    return rows


def on_both(measure):
    """What `measure` finds in front of each kind of servers."""
    results = {}
    for kind in ["mariadb", "mysql"]:
        in_front_of(kind, lambda cluster, kind=kind: results.update({kind: measure(cluster)}))
    return results


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


def fresh(cluster, names, measure, *args):
    """Measures with proxies started for it: what a proxy kept from earlier work would hide what this work needs."""
    targets = []
    try:
        for name in names:
            targets.append(Target.start(name, cluster))
            sysbench(targets[-1].port, "oltp_point_select", "--threads=8", "--time=1", "run")
        return measure(targets, *args)
    finally:
        for target in targets:
            target.stop()


def others(cluster):
    # What passes is the same on every port of Pointsman.
    names = [n for n in TARGETS if n != "primary"]
    return {what: fresh(cluster, names, bulk, what) for what in ("result", "load")}


PARTS = {
    "pressure": lambda cluster: pressure.active(cluster, SETTINGS, say),
    "idle": lambda cluster: pressure.idle(cluster, SETTINGS, say),
    "crowds": lambda cluster: pressure.crowds(cluster, SETTINGS, say),
    "others": others,
    "levels": lambda cluster: levels.measure(cluster, SETTINGS, say),
    "workers": lambda cluster: workers.measure(cluster, SETTINGS, say),
    "tap": lambda cluster: tap.measure(cluster, SETTINGS, say),
    "traces": lambda cluster: traces.measure(cluster, SETTINGS, say),
    "digests": lambda cluster: digests.measure(cluster, SETTINGS, say),
    "logins": lambda cluster: logins.measure(cluster, SETTINGS, say),
}
ON_MYSQL = {"commits": lambda cluster: commits.measure(cluster, SETTINGS, say)}


def main():
    alone = ["workloads", "drivers", "connects", "former", *ON_MYSQL, "tls", "failover", "changes", "pods"]
    parts = sys.argv[1:] or [*PARTS, *alone]
    unknown = set(parts) - {*PARTS, *alone}
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join([*PARTS, *alone])}")
    if "workloads" in parts:
        publish("workloads", on_both(lambda cluster: fresh(cluster, table.workload_targets(TARGETS), queries)))
    if "drivers" in parts:
        publish("drivers", on_both(lambda cluster: drivers.measure(cluster, SETTINGS, say)))
    if "connects" in parts:
        publish("connects", on_both(lambda cluster: connects.measure(cluster, SETTINGS, say)))
    if "former" in sys.argv[1:] and not os.environ.get("FORMER"):
        sys.exit("the part former needs FORMER=the former program")
    if "former" in parts and os.environ.get("FORMER"):
        publish("former", on_both(lambda cluster: former.measure(cluster, SETTINGS, say)))
    publish_all("mariadb", {name: part for name, part in PARTS.items() if name in parts})
    publish_all("mysql", {name: part for name, part in ON_MYSQL.items() if name in parts and "split" in TARGETS})
    if "tls" in parts and {"split", "primary"} & set(TARGETS):
        publish("tls", tls.measure(SETTINGS, say))
    if "failover" in parts and "split" in TARGETS:
        publish("failover", failover.measure(SETTINGS["failovers"], say))
    if "changes" in parts and "split" in TARGETS:
        say("20 planned changes of the primary and 20 crashes under 5,000 statements a second")
        printed("changes")
    if "pods" in parts and "split" in TARGETS:
        say("pods on a real API server: 200 changes of the primary, and labels")
        printed("pods")


def publish_all(kind, parts):
    def measure(cluster):
        for part in parts:
            publish(part, parts[part](cluster))

    if parts:
        in_front_of(kind, measure)


def in_front_of(kind, measure):
    """Has `measure` do its work with a cluster of this kind."""
    say(f"{kind}: starting a primary and two replicas")
    cluster = Cluster(kind, 2, kind)
    try:
        for server in cluster.servers:
            cluster.sql("SET GLOBAL max_connections = 10000", server)
            # Each proxy keeps its clients' statements prepared while the others have their turn.
            cluster.sql("SET GLOBAL max_prepared_stmt_count = 1000000", server)
        cluster.sql("CREATE TABLE sbtest.sink (a INT)")
        sysbench(cluster.port(), "oltp_read_write", "prepare")
        cluster.catch_up()
        measure(cluster)
    finally:
        cluster.stop()


def printed(part):
    """A benchmark in Rust that prints lines of its table."""
    command = ["cargo", "bench", "--locked", "--bench", part]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    lines = [line for line in lines if line.startswith("| ")]
    if lines:
        publish(part, lines)


def publish(part, results):
    path = os.path.join(os.environ["TARGET_DIR"], "bench", f"{part}.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"settings": SETTINGS, "results": results}, f, indent=1)
    table.publish(part, results, SETTINGS)


if __name__ == "__main__":
    main()

"""Compares the cost of the consistency levels: proxies that differ only in `consistency.level` take turns, in
front of one cluster. The part `levels` of run.sh."""
import os
import re
import statistics
import subprocess

from targets import Target, cpu_seconds, pointsman

LEVELS = ["eventual", "session", "strong"]
READS = ["--skip_trx=on", "--range_selects=off", "--point_selects=9", "--index_updates=1", "--non_index_updates=0",
         "--delete_inserts=0"]
# Name, sysbench test, threads, further arguments.
WORKLOADS = [
    ("point select, prepared, 1 thread", "oltp_point_select", 1, []),
    ("point select, prepared, 16 threads", "oltp_point_select", 16, []),
    ("point select, prepared, 200 threads", "oltp_point_select", 200, []),
    ("9 point selects and 1 update, 16 threads", "oltp_read_write", 16, READS),
    ("9 point selects and 1 update, 200 threads", "oltp_read_write", 200, READS),
]
BEHIND = "point select, 1 thread, one replica 1 s behind and 20 updates a second"


def figure(text, marker, word):
    return float(text.split(marker, 1)[1].split()[word].lstrip("("))


def sysbench(port, test, threads, seconds, *args):
    command = ["sysbench", test, "--mysql-host=127.0.0.1", f"--mysql-port={port}", "--mysql-user=app",
               "--mysql-password=app", "--mysql-db=sbtest", "--tables=2", "--table-size=20000", "--mysql-ssl=off",
               "--percentile=50", "--mysql-ignore-errors=1213,1205,1020", f"--threads={threads}", f"--time={seconds}",
               *args, "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def labelled(target, name, *labels):
    """One sample of a metric of Pointsman, 0 if it is not there yet."""
    text = target.scrape()
    total = 0.0
    for line in text.splitlines():
        if line.startswith(f"{name}{{") and all(label in line for label in labels):
            total += float(line.rsplit(" ", 1)[1])
    return total


COUNTS = {
    "replica": ("pointsman_split_statements_total", 'kind="read"', 'target="replica"'),
    "primary": ("pointsman_split_statements_total", 'kind="read"', 'target="primary"'),
    "position": ("pointsman_consistency_questions_total", 'question="position"'),
    "wait": ("pointsman_consistency_questions_total", 'question="wait"'),
    "shared": ("pointsman_consistency_questions_shared_total", 'question="position"'),
}


def one_round(target, cluster, test, threads, seconds, extra):
    def counts():
        return {key: labelled(target, *wanted) for key, wanted in COUNTS.items()}

    server = cluster.pid(cluster.primary())
    before, used, busy = counts(), cpu_seconds(target.pid), cpu_seconds(server)
    out = sysbench(target.port, test, threads, seconds, *extra)
    used, busy = cpu_seconds(target.pid) - used, cpu_seconds(server) - busy
    seen = {key: value - before[key] for key, value in counts().items()}
    queries = figure(out, "queries:", 0)
    reads = seen["replica"] + seen["primary"]
    return {"qps": figure(out, "queries:", 1), "p50": figure(out, "50th percentile:", 0), "cpu": used / queries * 1e6,
            "avg": figure(out, "avg:", 0), "core": busy / seconds, "share": seen["replica"] / reads if reads else 0.0,
            "batch": seen["shared"] / seen["position"] if seen["position"] else 0.0,
            "questions": (seen["position"] + seen["wait"]) / queries}


def measure(cluster, settings, say):
    targets, rows = [], []
    # Each proxy keeps its clients' statements prepared while the others have their turn.
    for server in cluster.servers:
        cluster.sql("SET GLOBAL max_prepared_stmt_count = 1000000", server)
    try:
        for level in LEVELS:
            targets.append(pointsman("split", cluster, 0, f'[consistency]\nlevel = "{level}"\n'))
        for name, test, threads, extra in WORKLOADS:
            say(name)
            rows.append(turns(name, targets, cluster, settings, say, test, threads, extra))
        direct = Target("direct", cluster.port())
        seen = [sysbench(direct.port, "oltp_point_select", 1, settings["secs"]) for _ in range(settings["rounds"])]
        trip = statistics.median(figure(out, "avg:", 0) for out in seen)
        say(BEHIND)
        rows.append(behind(targets, cluster, settings, say))
    finally:
        for target in targets:
            target.stop()
    return {"rows": rows, "trip": trip}


def turns(name, targets, cluster, settings, say, test, threads, extra):
    rounds = {level: [] for level in LEVELS}
    for _ in range(settings["rounds"]):
        for level, target in zip(LEVELS, targets):
            rounds[level].append(one_round(target, cluster, test, threads, settings["secs"], extra))
    for level, seen in rounds.items():
        say(f"  {level}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs" for r in seen))
    return {"name": name, "rounds": rounds}


def behind(targets, cluster, settings, say):
    """One replica is delayed while somebody writes now and then."""
    delay = "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={}; START SLAVE"
    cluster.sql(delay.format(1), 1)
    writer = subprocess.Popen(
        ["sysbench", "oltp_update_index", "--mysql-host=127.0.0.1", f"--mysql-port={cluster.port()}", "--mysql-user=app",
         "--mysql-password=app", "--mysql-db=sbtest", "--tables=2", "--table-size=20000", "--mysql-ssl=off", "--rate=20",
         "--threads=1", "--time=600", "run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return turns(BEHIND, targets, cluster, settings, say, "oltp_point_select", 1, [])
    finally:
        writer.terminate()
        writer.wait()
        cluster.sql(delay.format(0), 1)

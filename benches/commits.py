"""Measures the cost of `failover.commit = "looked_up"` without any failover: proxies that differ only in this key take turns, in front of
one MySQL cluster. The part `commits` of run.sh."""
from levels import figure, sysbench
from targets import cpu_seconds, pointsman

CHOICES = ["unknown", "looked_up"]
ONE_UPDATE = ["--index_updates=1", "--non_index_updates=0", "--delete_inserts=0"]
# Name, threads, further arguments of oltp_write_only. As text: a prepared COMMIT is not looked up.
WORKLOADS = [
    ("BEGIN, 1 update, COMMIT, 1 thread", 1, ONE_UPDATE),
    ("BEGIN, 1 update, COMMIT, 16 threads", 16, ONE_UPDATE),
    ("BEGIN, 4 writes, COMMIT, 16 threads", 16, []),
]


def savepoints(cluster):
    return int(cluster.sql("SHOW GLOBAL STATUS LIKE 'Com_savepoint'").split()[1])


def written(cluster):
    """Bytes of binary log that the primary has written."""
    return sum(int(line.split("\t")[1]) for line in cluster.sql("SHOW BINARY LOGS").splitlines())


def one_round(target, cluster, threads, seconds, extra):
    cluster.catch_up()
    marks, log, used = savepoints(cluster), written(cluster), cpu_seconds(target.pid)
    out = sysbench(target.port, "oltp_write_only", threads, seconds, "--db-ps-mode=disable", *extra)
    used, log = cpu_seconds(target.pid) - used, written(cluster) - log
    done = figure(out, "transactions:", 0)
    return {"tps": figure(out, "transactions:", 1), "p50": figure(out, "50th percentile:", 0), "cpu": used / done * 1e6,
            "log": log / done, "marks": (savepoints(cluster) - marks) / done}


def measure(cluster, settings, say):
    targets, rows = [], []
    try:
        for choice in CHOICES:
            targets.append(pointsman("split", cluster, 0, f'[failover]\ncommit = "{choice}"\n'))
        for name, threads, extra in WORKLOADS:
            say(name)
            rounds = {choice: [] for choice in CHOICES}
            for _ in range(settings["rounds"]):
                for choice, target in zip(CHOICES, targets):
                    rounds[choice].append(one_round(target, cluster, threads, settings["secs"], extra))
            for choice, seen in rounds.items():
                say(f"  {choice}: " + ", ".join(f"{r['tps']:.0f}/s {r['cpu']:.1f} µs {r['log']:.0f} B" for r in seen))
            rows.append({"name": name, "rounds": rounds})
    finally:
        for target in targets:
            target.stop()
    return rows

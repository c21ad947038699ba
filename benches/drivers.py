"""Compares the drivers, `io = "epoll"` and `io = "io_uring"`, at `eventual` and at `strong`, with HAProxy: all take turns, in
front of a cluster of MariaDB and one of MySQL. The part `drivers` of run.sh."""
import levels
from targets import cpu_seconds, haproxy, pointsman

DRIVERS = ["epoll", "io_uring"]
LEVELS = ["eventual", "strong"]
# Name, sysbench test, threads, further arguments.
WORKLOADS = [
    ("point select, prepared, 1 thread", "oltp_point_select", 1, []),
    ("point select, prepared, 16 threads", "oltp_point_select", 16, []),
    ("point select, text, 16 threads", "oltp_point_select", 16, ["--db-ps-mode=disable"]),
    ("point select, text, 200 threads", "oltp_point_select", 200, ["--db-ps-mode=disable"]),
    ("oltp_read_write, text, 16 threads", "oltp_read_write", 16, ["--db-ps-mode=disable"]),
    ("9 point selects and 1 update, text, 16 threads", "oltp_read_write", 16, levels.READS),
    ("oltp_read_only, text, no transactions, 16 threads", "oltp_read_only", 16, ["--db-ps-mode=disable", "--skip_trx=on"]),
]


def started(cluster, driver, level):
    return pointsman("split", cluster, 0, f'[consistency]\nlevel = "{level}"\n', edit=lambda text: f'io = "{driver}"\n{text}')


def one_round(target, test, threads, seconds, extra):
    used = cpu_seconds(target.pid)
    out = levels.sysbench(target.port, test, threads, seconds, *extra)
    used = cpu_seconds(target.pid) - used
    return {"qps": levels.figure(out, "queries:", 1), "cpu": used / levels.figure(out, "queries:", 0) * 1e6}


def measure(cluster, settings, say):
    targets, rows = {}, []
    for server in cluster.servers:
        cluster.sql("SET GLOBAL max_prepared_stmt_count = 1000000", server)
    try:
        targets["haproxy"] = haproxy(cluster)
        for driver in DRIVERS:
            for level in LEVELS:
                targets[f"{driver}, {level}"] = started(cluster, driver, level)
        for name, test, threads, extra in WORKLOADS:
            say(name)
            rounds = {target: [] for target in targets}
            for _ in range(settings["rounds"]):
                for key, target in targets.items():
                    rounds[key].append(one_round(target, test, threads, settings["secs"], extra))
            for key, seen in rounds.items():
                say(f"  {key}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs" for r in seen))
            rows.append({"name": name, "rounds": rounds})
    finally:
        for target in targets.values():
            target.stop()
    return rows

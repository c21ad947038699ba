"""Measures the cost of counting statements by digest: proxies that differ only in `digests.max` take turns, in front of one
cluster. The part `digests` of run.sh."""
from levels import figure, sysbench
from targets import cpu_seconds, pointsman

CHOICES = {"off": 0, "on": 2000}
# Name, sysbench test, further arguments.
WORKLOADS = [
    ("point select, prepared, 16 threads", "oltp_point_select", []),
    ("point select, text, 16 threads", "oltp_point_select", ["--db-ps-mode=disable"]),
    ("oltp_read_write, text, 16 threads", "oltp_read_write", ["--db-ps-mode=disable"]),
]


def one_round(target, test, seconds, extra):
    used = cpu_seconds(target.pid)
    out = sysbench(target.port, test, 16, seconds, *extra)
    used = cpu_seconds(target.pid) - used
    return {"qps": figure(out, "queries:", 1), "cpu": used / figure(out, "queries:", 0) * 1e6}


def measure(cluster, settings, say):
    targets, rows = {}, []
    try:
        for choice, most in CHOICES.items():
            # At `eventual` a statement costs the least, and counting it the largest part of that.
            targets[choice] = pointsman("split", cluster, 0, f'[consistency]\nlevel = "eventual"\n\n[digests]\nmax = {most}\n')
        for name, test, extra in WORKLOADS:
            say(name)
            rounds = {choice: [] for choice in CHOICES}
            for at in range(settings["rounds"]):
                # Each is the first in every other round.
                for choice in list(CHOICES)[::-1 if at % 2 else 1]:
                    rounds[choice].append(one_round(targets[choice], test, settings["secs"], extra))
            for choice, seen in rounds.items():
                say(f"  {choice}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs" for r in seen))
            rows.append({"name": name, "rounds": rounds})
    finally:
        for target in targets.values():
            target.stop()
    return rows

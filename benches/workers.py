"""What more worker threads than cores cost: proxies at `strong` that differ in `workers` alone take turns, in front of one
cluster. The part `workers` of run.sh."""
import levels
from targets import pointsman

WORKERS = [1, 2, 8, 64]
WORKLOADS = [
    ("point select, prepared, 16 threads", "oltp_point_select", 16, []),
    ("point select, prepared, 200 threads", "oltp_point_select", 200, []),
    ("9 point selects and 1 update, 16 threads", "oltp_read_write", 16, levels.READS),
    ("9 point selects and 1 update, 200 threads", "oltp_read_write", 200, levels.READS),
]


def started(cluster, workers):
    def edit(text):
        return text.replace("workers = 2\n", f"workers = {workers}\n", 1)

    return pointsman("split", cluster, 0, edit=edit)


def measure(cluster, settings, say):
    targets, rows = [], []
    try:
        for workers in WORKERS:
            targets.append(started(cluster, workers))
        for name, test, threads, extra in WORKLOADS:
            say(name)
            rounds = {workers: [] for workers in WORKERS}
            for _ in range(settings["rounds"]):
                for workers, target in zip(WORKERS, targets):
                    seen = levels.one_round(target, cluster, test, threads, settings["secs"], extra)
                    seen["connections"] = target.metric("pointsman_server_connections")
                    rounds[workers].append(seen)
            for workers, seen in rounds.items():
                say(f"  {workers}: " + ", ".join(f"{r['qps']:.0f}/s {r['questions']:.3f} questions" for r in seen))
            rows.append({"name": name, "rounds": rounds})
    finally:
        for target in targets:
            target.stop()
    return rows

"""Measures what traces cost: off, at the default ratio, and every statement. The part `traces` of run.sh."""
import http.server
import threading

from levels import figure, sysbench
from targets import cpu_seconds, pointsman

# The limit is out of the way: what a span costs is the question.
SETTINGS = {"off": "", "0.01": "ratio = 0.01\nmax_per_second = 1000000", "1": "ratio = 1\nmax_per_second = 1000000"}


WORKLOADS = [
    ("point select, prepared, 16 threads", []),
    ("point select, text, 16 threads", ["--db-ps-mode=disable"]),
]


class Sink(http.server.BaseHTTPRequestHandler):
    """A collector that forgets."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def one_round(target, extra, seconds):
    counts = lambda: [target.metric(f"pointsman_spans_{what}_total") for what in ("exported", "dropped")]
    before = counts()
    used = cpu_seconds(target.pid)
    out = sysbench(target.port, "oltp_point_select", 16, seconds, "--percentile=99", *extra)
    used = cpu_seconds(target.pid) - used
    queries = figure(out, "queries:", 0)
    exported, lost = (after - then for after, then in zip(counts(), before))
    return {"qps": figure(out, "queries:", 1), "cpu": used / queries * 1e6, "p99": figure(out, "99th percentile:", 0),
            "exported": exported / queries, "dropped": lost / max(exported + lost, 1)}


def measure(cluster, settings, say):
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    endpoint = f'endpoint = "http://127.0.0.1:{collector.server_port}"'
    targets, rows = {}, []
    try:
        for name, more in SETTINGS.items():
            traces = f"[traces]\n{endpoint}\n{more}\n" if more else ""
            targets[name] = pointsman("split", cluster, 0, f'[consistency]\nlevel = "eventual"\n\n{traces}')
        for workload, extra in WORKLOADS:
            say(workload)
            rounds = {name: [] for name in SETTINGS}
            for at in range(settings["rounds"]):
                for name in list(SETTINGS)[::-1 if at % 2 else 1]:
                    rounds[name].append(one_round(targets[name], extra, settings["secs"]))
            for name, seen in rounds.items():
                say(f"  {name}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs p99 {r['p99']} ms" for r in seen))
            rows.append({"name": workload, "rounds": rounds})
    finally:
        for target in targets.values():
            target.stop()
        collector.shutdown()
    return rows

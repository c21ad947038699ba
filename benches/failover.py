"""Measures what applications notice of a change of the primary: writers that record every acknowledgement, and idle
sessions, through the proxy; planned and unplanned changes, each on a fresh cluster."""
import threading
import time

from targets import Cluster, Target
from wire import Connection, ServerError

WRITERS = 4
IDLE = 50
LEDGER = "CREATE TABLE test.ledger (id INT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL)"


class Writer(threading.Thread):
    """Inserts tokens, each once, one after the other; never repeats one, whatever happened to it."""

    def __init__(self, port, name, over):
        super().__init__(daemon=True)
        self.port, self.label, self.over = port, name, over
        self.acknowledged, self.errors, self.lost, self.error_texts = [], 0, 0, []

    def run(self):
        connection, number = None, 0
        while not self.over.is_set():
            number += 1
            token = f"{self.label}-{number}"
            try:
                connection = connection or Connection(self.port, schema="test")
                connection.query(f"INSERT INTO ledger (token) VALUES ('{token}')")
                self.acknowledged.append((token, time.time_ns()))
            except ServerError as e:
                self.errors += 1
                self.error_texts.append(str(e))
            except OSError as e:
                self.lost += 1
                self.error_texts.append(str(e))
                connection = None
                time.sleep(0.01)


def change(kind):
    """One change of primary; what was noticed."""
    cluster = Cluster(f"failover-{kind}-{time.time_ns()}", replicas=2)
    proxy = None
    try:
        cluster.sql(LEDGER)
        proxy = Target.start("split", cluster)
        idle = [Connection(proxy.port, schema="test") for _ in range(IDLE)]
        for session in idle:
            session.query("SELECT 1")
        over = threading.Event()
        writers = [Writer(proxy.port, f"w{i}", over) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(2)
        if kind == "kill":
            cluster.do("kill", cluster.primary())
            answer = cluster.do("promote")
        else:
            answer = cluster.do("switchover")
        writable_at = int(answer.split()[1])
        time.sleep(2)
        over.set()
        for writer in writers:
            writer.join(60)
        return account(cluster, writers, idle, writable_at)
    finally:
        if proxy:
            proxy.stop()
        cluster.stop()


def account(cluster, writers, idle, writable_at):
    lost_sessions = 0
    for session in idle:
        try:
            session.query("SELECT 1")
        except (ServerError, OSError):
            lost_sessions += 1
    stored = cluster.sql("SELECT token FROM test.ledger").split()
    kept = set(stored)
    after = [at for w in writers for _, at in w.acknowledged if at > writable_at]
    return {
        "first_write_ms": (min(after) - writable_at) / 1e6 if after else None,
        "idle_lost": lost_sessions,
        "acknowledged": sum(len(w.acknowledged) for w in writers),
        "writes_lost": sum(token not in kept for w in writers for token, _ in w.acknowledged),
        "run_twice": len(stored) - len(kept),
        "errors": sum(w.errors for w in writers),
        "connections_lost": sum(w.lost for w in writers),
        "error_texts": sorted({t for w in writers for t in w.error_texts})[:5],
    }


def measure(times, say):
    results = {}
    for kind in ("switchover", "kill"):
        say(f"change of primary: {kind}, {times} times")
        results[kind] = [change(kind) for _ in range(times)]
    return results

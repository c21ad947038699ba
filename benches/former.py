"""Compares this build with a former one, whose program FORMER names: CPU per query of all workloads, 2,000 clients over 32
connections, and clients that connect, ask one question and close. The part `former` of run.sh; both builds take turns, in
front of a cluster of MariaDB and one of MySQL. The account of the monitor may read the catalogue, as the manual advises."""
import contextlib
import os

import connects
import drivers
import pressure
from targets import Target, cpu_seconds, pointsman

BUILDS = ["former", "this"]


@contextlib.contextmanager
def builds(cluster, pool=0, **others):
    """Starts both builds. Stops them afterwards, and the `others`."""
    targets = dict(others)
    try:
        for build in BUILDS:
            binary = os.environ["FORMER"] if build == "former" else None
            targets[build] = pointsman("split", cluster, pool, binary=binary)
            targets[build].name = build
        yield targets
    finally:
        for target in targets.values():
            target.stop()


def in_turn(targets, rounds, one):
    """Measures the targets in turn. Each round begins with another target, so that what a target leaves in the servers'
    caches does not always help the same one."""
    seen = {name: [] for name in targets}
    names = list(targets)
    for number in range(rounds):
        for name in names[number % len(names):] + names[:number % len(names)]:
            seen[name].append(one(targets[name]))
    return seen


def workloads(cluster, settings, say):
    rows = []
    with builds(cluster) as targets:
        for name, test, threads, extra in drivers.WORKLOADS:
            one = lambda target: drivers.one_round(target, test, threads, settings["secs"], extra)
            rounds = in_turn(targets, settings["rounds"] * 2, one)
            for key, seen in rounds.items():
                say(f"  {name}, {key}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs" for r in seen))
            rows.append({"name": name, "rounds": rounds})
    return rows


def crowd(cluster, settings, say):
    """2,000 clients over 32 connections. 200 of the clients are active, without a pause."""
    for server in cluster.servers:
        # The quick client of the watch cannot encrypt: MySQL has to know the password already.
        connects.show_password(cluster.port(server), "super")
    with builds(cluster, settings["pool"]) as targets:
        for target in targets.values():
            connects.warm(target)
        one = lambda target: pressure.one_load(cluster, target, settings, 0, False)
        rounds = in_turn(targets, settings["rounds"], one)
    if not all(r["qps"] for seen in rounds.values() for r in seen):
        raise RuntimeError("a crowd of clients got no answer")
    for key, seen in rounds.items():
        say(f"  {settings['clients']} clients, {key}: " + ", ".join(f"{r['qps']:.0f}/s" for r in seen))
    return rounds


def logins(cluster, settings, say):
    servers = [cluster.pid(server) for server in cluster.servers]
    with builds(cluster, direct=Target.start("direct", cluster)) as targets:
        for target in targets.values():
            connects.warm(target)
        rounds = in_turn(targets, settings["rounds"], lambda target: connects.one_round(target, servers, settings["connects"]))
    for key, seen in rounds.items():
        say(f"  connections, {key}: " + ", ".join(f"{r['seconds']:.2f} s, p99 {r['login']:.2f} ms" for r in seen))
    return rounds


def measure(cluster, settings, say):
    for server in cluster.servers:
        cluster.sql("SET GLOBAL max_prepared_stmt_count = 1000000", server)
    cluster.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'")
    cluster.catch_up()
    wanted = os.environ.get("WHAT", "workloads crowd logins").split()
    return {part.__name__: part(cluster, settings, say) for part in (workloads, crowd, logins) if part.__name__ in wanted}

"""Measures clients that connect, ask one question and close: directly, through HAProxy, and through both drivers of
Pointsman; in front of a cluster of MariaDB and one of MySQL. The part `connects` of run.sh."""
import os
import subprocess

from drivers import DRIVERS, started
from targets import Target, cpu_seconds, haproxy

CLIENT = os.path.join(os.environ["TARGET_DIR"], "bench", "connect")
CLIENTS = 8
# So many connections make a proxy open its own connections to the servers, and its code warm.
FIRST = 80


def figures(*args):
    """The figures that the quick client prints."""
    done = subprocess.run([CLIENT, *map(str, args)], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.strip()}")
    return [float(figure) for figure in done.stdout.split()]


def client(*args):
    """The first figure that the quick client prints."""
    return figures(*args)[0]


def show_password(port, user):
    """MySQL and the proxy in front of it remember a password that they were shown, encrypted. Then the quick client, which
    cannot encrypt, gets in."""
    subprocess.run(["mariadb", "--no-defaults", "--skip-ssl", "-h127.0.0.1", f"-P{port}", f"-u{user}", f"-p{user}",
                    "-e", "SELECT 1"], stdout=subprocess.DEVNULL, check=True)


def warm(target):
    show_password(target.port, "app")
    client("connect", target.port, FIRST, CLIENTS)


def one_round(target, servers, connects):
    before = [cpu_seconds(target.pid), sum(map(cpu_seconds, servers))]
    seconds, login = figures("connect", target.port, connects, CLIENTS)
    proxy, server = cpu_seconds(target.pid) - before[0], sum(map(cpu_seconds, servers)) - before[1]
    return {"seconds": seconds, "login": login * 1e3, "proxy": proxy / connects * 1e6, "servers": server / connects * 1e6}


def measure(cluster, settings, say):
    say(f"{cluster.kind}: {settings['connects']} times connect, select 1, close")
    servers = [cluster.pid(server) for server in cluster.servers]
    targets = {"direct": Target.start("direct", cluster)}
    try:
        targets["haproxy"] = haproxy(cluster)
        for driver in DRIVERS:
            targets[driver] = started(cluster, driver, "strong")
        rounds = {name: [] for name in targets}
        for target in targets.values():
            warm(target)
        for _ in range(settings["rounds"]):
            for name, target in targets.items():
                rounds[name].append(one_round(target, servers, settings["connects"]))
    finally:
        for target in targets.values():
            target.stop()
    return rounds

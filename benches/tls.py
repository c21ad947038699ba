"""Encrypted connections of clients: what TLS costs on either leg, how long logins take with full and with resumed
handshakes, what idle clients cost, and what floods do to sessions that are there. The part `tls` of run.sh."""
import json
import multiprocessing
import os
import ssl
import subprocess
import sys
import time

from levels import figure
from pressure import Crowd
from targets import CONFIGURED, Cluster, Target, cpu_seconds, pointsman, rss_kib
from wire import Connection, ServerError

FLOOD = os.path.join(os.environ["TARGET_DIR"], "bench", "flood")
# Connections at a time of the logins that are not one after another.
AT_A_TIME = 4
# The sessions that a flood must not disturb: how many, and how often each of them reads.
SESSIONS, EVERY_MS = 50, 20
# Tries a second of a flood that is not as many as one core makes.
RATE = 2000
HANDSHAKES = "pointsman_client_tls_handshakes_total"


class Certificates:
    """A CA, and one certificate for proxy, servers and clients alike: they differ in nothing that is measured."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "cacert.pem", "-subj", "/CN=bench-ca")
        self.openssl("req", *key, "-keyout", "client-key.pem", "-out", "request", "-subj", "/CN=bench")
        with open(f"{folder}/names", "w", encoding="utf-8") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.openssl("x509", "-req", "-in", "request", "-CA", "cacert.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "names", "-out", "client-cert.pem")
        self.pair = f"{folder}/client-cert.pem", f"{folder}/client-key.pem"

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def of_listener(self):
        return 'cert_file = "{}"\nkey_file = "{}"'.format(*self.pair)

    def of_servers(self):
        # The CA is for the certificate that sysbench shows.
        return ["--ssl-cert={}".format(self.pair[0]), "--ssl-key={}".format(self.pair[1]), f"--ssl-ca={self.folder}/cacert.pem"]


def context():
    """A client that takes TLS 1.3 only and trusts everybody: the name is not what is measured."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def sysbench(port, tls, test, threads, seconds, *args):
    """In the folder with the CA and the certificate that sysbench looks for."""
    command = ["sysbench", test, "--mysql-host=127.0.0.1", f"--mysql-port={port}", "--mysql-user=app",
               "--mysql-password=app", "--mysql-db=sbtest", "--tables=2", "--table-size=20000",
               f"--mysql-ssl={'on' if tls else 'off'}", "--percentile=99", f"--threads={threads}", f"--time={seconds}", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tls or None)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def counted(target, name, *labels):
    """A metric of Pointsman, over all labels but these; 0 if it is not there yet."""
    lines = (line for line in target.scrape().splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in labels))


# Point selects.

LEGS = ["direct", "direct TLS", "plain", "clients", "both"]
WORKLOADS = [("point select, prepared, 16 threads", "auto"), ("point select, text, 16 threads", "disable")]


def point_selects(cluster, certificates, settings, say):
    """On the server, without TLS and with it, which says what TLS costs clients and servers; through a proxy whose servers
    are without TLS: clients without TLS, clients with it; and through one with TLS on both legs. In turn, round after
    round."""
    targets, rows = [], []
    try:
        targets = [pointsman("primary", cluster, 0, tls=certificates.of_listener(), servers_tls=mode)
                   for mode in ("disabled", "required")]
        direct = Target("direct", cluster.port())
        ways = {"direct": (direct, None), "direct TLS": (direct, certificates.folder), "plain": (targets[0], None),
                "clients": (targets[0], certificates.folder), "both": (targets[1], certificates.folder)}
        for name, prepared in WORKLOADS:
            say(name)
            rounds = {leg: [] for leg in LEGS}
            for _ in range(settings["rounds"]):
                for leg, (target, tls) in ways.items():
                    rounds[leg].append(one_round(target, tls, prepared, settings["secs"]))
            for leg, seen in rounds.items():
                say(f"  {leg}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs" for r in seen))
            rows.append({"name": name, "rounds": rounds})
        servers = counted(targets[0], "pointsman_server_tls_handshakes_total")
        if servers or not counted(targets[1], "pointsman_server_tls_handshakes_total"):
            raise RuntimeError("the servers' leg is not as it should be")
    finally:
        for target in targets:
            target.stop()
    return rows


def one_round(target, tls, prepared, seconds):
    seen = lambda: counted(target, HANDSHAKES) if target.http else 0
    before, handshakes = cpu_seconds(target.pid), seen()
    out = sysbench(target.port, tls, "oltp_point_select", 16, seconds, f"--db-ps-mode={prepared}", "run")
    used, handshakes = cpu_seconds(target.pid) - before, seen() - handshakes
    if target.http and bool(handshakes) != bool(tls):
        raise RuntimeError(f"{handshakes:.0f} TLS handshakes of clients where there should be {'some' if tls else 'none'}")
    return {"qps": figure(out, "queries:", 1), "p99": figure(out, "99th percentile:", 0),
            "cpu": used / figure(out, "queries:", 0) * 1e6}


# Logins.

def one_login(port, tls, session):
    """A login and its end: the session to resume, and whether this one was resumed."""
    client = Connection(port, tls=tls, session=session)
    if client.sock.version() != "TLSv1.3":
        raise RuntimeError(f"{client.sock.version()} in place of TLSv1.3")
    seen = client.sock.session, client.sock.session_reused
    client.quit()
    return seen


def some_logins(port, count, resume, at, results):
    """What one process does; the first login, which has the session that the others resume, does not count."""
    tls = context()
    session, _ = one_login(port, tls, None)
    session = session if resume else None
    at.wait()
    resumed = sum(one_login(port, tls, session)[1] for _ in range(count))
    results.put(resumed)
    at.wait()


def logins(port, count, at_a_time, resume):
    """Wall time of so many logins, and the share of them that were resumed."""
    at, results = multiprocessing.Barrier(at_a_time + 1), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=some_logins, args=(port, count // at_a_time, resume, at, results), daemon=True)
               for _ in range(at_a_time)]
    for worker in workers:
        worker.start()
    try:
        at.wait(60)
        began = time.perf_counter()
        at.wait(600)
        took = time.perf_counter() - began
        return {"seconds": took, "resumed": sum(results.get(timeout=10) for _ in workers) / (count // at_a_time * at_a_time)}
    finally:
        for worker in workers:
            worker.join(10)
            worker.kill()


def all_logins(cluster, certificates, settings, say):
    """Full and resumed, one after another and several at a time, on the server and through the proxy in turn."""
    proxy = pointsman("primary", cluster, 0, tls=certificates.of_listener())
    targets = {"direct": Target("direct", cluster.port()), "proxy": proxy}
    rows = []
    try:
        # Fills the cache of MySQL's caching_sha2_password: from here on logins take its fast path.
        for target in targets.values():
            one_login(target.port, context(), None)
        for resume in (False, True):
            for at_a_time in (1, AT_A_TIME):
                rounds = {name: [] for name in targets}
                for _ in range(settings["rounds"]):
                    for name, target in targets.items():
                        rounds[name].append(logins(target.port, settings["logins"], at_a_time, resume))
                rows.append({"resume": resume, "at_a_time": at_a_time, "rounds": rounds})
                say(f"  {'resumed' if resume else 'full'}, {at_a_time} at a time: " + "; ".join(
                    f"{name} " + ", ".join(f"{r['seconds']:.2f} s ({r['resumed']:.0%} resumed)" for r in seen)
                    for name, seen in rounds.items()))
        for name, result in (("full", False), ("resumed", True)):
            share = [r["resumed"] for row in rows if row["resume"] == result for r in row["rounds"]["proxy"]]
            if any(s != float(result) for s in share):
                raise RuntimeError(f"{name} logins through the proxy: {share} were resumed")
    finally:
        proxy.stop()
    return rows


# Idle clients.

def idle(cluster, certificates, settings, say):
    """Memory of the proxy for each client that logged in, and then also ran a statement, and then is idle."""
    results = {}
    for name, tls in (("plain", None), ("TLS", context())):
        proxy = pointsman("primary", cluster, 100, tls=certificates.of_listener())
        clients = []
        try:
            # What a first client needs is not counted for the others.
            for _ in range(80):
                Connection(proxy.port, tls=tls).quit()
            time.sleep(0.5)
            before = rss_kib(proxy.pid)
            for _ in range(settings["idle"]):
                clients.append(Connection(proxy.port, tls=tls))
            time.sleep(1)
            logged_in = rss_kib(proxy.pid)
            for client in clients:
                client.query("SELECT 1")
            time.sleep(1)
            results[name] = {"login": (logged_in - before) / settings["idle"],
                             "statement": (rss_kib(proxy.pid) - before) / settings["idle"]}
            say(f"  {name}: {results[name]}")
        finally:
            for client in clients:
                client.close()
            proxy.stop()
    return results


# Floods.

def client_hello():
    """One that every server answers: what Python's client says first."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context().wrap_bio(coming, going).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return going.read().hex()


def whole_handshakes(host, port, seconds):
    """Handshakes to their end, and logins of names that nobody has, as many as one core makes."""
    tls, tries = context(), {"tries": 0, "answered": 0, "refused": 0, "failed": 0}
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        tries["tries"] += 1
        try:
            Connection(port, user=f"nobody{tries['tries']}", tls=tls, timeout=5, host=host).close()
        except ServerError as e:
            # 1045 is what follows a whole handshake.
            tries["answered" if e.code == 1045 else "refused"] += 1
        except OSError:
            tries["failed"] += 1
    print(json.dumps(tries))


def flood(what, host, port, seconds):
    """Started on one core; prints its figures when it is over."""
    if what == "whole":
        command = [sys.executable, "-B", os.path.abspath(__file__), host, str(port), str(seconds)]
    else:
        rate, more = {"passwords": (RATE, []), "hellos": (RATE, [client_hello()]), "most hellos": (0, [client_hello()])}[what]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        command = [FLOOD, address, "16", str(rate), str(seconds), *more]
    return subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.PIPE, text=True)


# How addresses are blocked, and where the flood comes from; the sessions come from 127.0.0.1.
UNLIMITED = "[limits]\nmax_login_errors = 0\n"
DEFENCES = {"other": ("", "::1"), "same": ("", "127.0.0.1"), "off": (UNLIMITED, "::1")}
FLOODS = ["passwords", "hellos", "whole", "most hellos"]
# What a flood costs the sessions on two cores whoever receives it: it goes to another proxy than theirs.
ELSEWHERE = "elsewhere"


def sessions_in(what, host, target, settings, flooded=None):
    """p99 of the sessions' point selects while a flood goes on, and what the flood did."""
    seconds = settings["flood_secs"]
    with Crowd(target, SESSIONS, SESSIONS, seconds, EVERY_MS, reads=True) as crowd:
        crowd.wait("connected")
        going = flood(what, host, (flooded or target).port, seconds + 2) if what else None
        try:
            time.sleep(1)
            used = cpu_seconds(target.pid)
            crowd.go()
            crowd.wait("loaded")
            used = cpu_seconds(target.pid) - used
            tries = json.loads(going.communicate(timeout=60)[0]) if going else {}
        finally:
            if going:
                going.kill()
                going.wait()
        crowd.go()
        figures = crowd.figures()
    return {"p50": figures["read_p50"], "p99": figures["read_p99"], "errors": figures["errors"], "words": figures["words"],
            "qps": figures["qps"], "core": used / seconds, "a_second": tries.get("tries", 0) / (seconds + 2), "tries": tries}


def floods(cluster, certificates, settings, say):
    """Each time through a fresh proxy, which has blocked nobody."""
    results = {}

    def proxy(limits):
        # [::] has a place for both addresses.
        return pointsman("primary", cluster, 0, limits, tls=certificates.of_listener(),
                         edit=lambda text: text.replace('"127.0.0.1:', '"[::]:', 1) + CONFIGURED)

    def once(defence, what):
        limits, host = DEFENCES.get(defence, (UNLIMITED, "::1"))
        proxies = [proxy(limits) for _ in range(2 if defence == ELSEWHERE else 1)]
        try:
            now = sessions_in(what, host, proxies[0], settings, proxies[-1])
        finally:
            for one in proxies:
                one.stop()
        say(f"  {defence}, {what}: p50 {now['p50']} ms, p99 {now['p99']} ms, {now['qps']:.0f}/s, "
            f"{now['errors']} errors {now['words'] or ''} {now['tries'] or ''}")
        results.setdefault(what or "quiet", {}).setdefault(defence, []).append(now)

    for _ in range(settings["rounds"]):
        once("other", None)
        for defence in [*DEFENCES, ELSEWHERE]:
            for what in FLOODS:
                once(defence, what)
    return results


def measure(settings, say):
    """Everything, on servers with the certificate that the proxy has."""
    certificates = Certificates(os.path.join(os.environ["SCRATCH"], "certificates"))
    results = {"logins": {}}
    for kind in ("mariadb", "mysql"):
        say(f"{kind}: starting a primary and two replicas with TLS")
        cluster = Cluster(f"tls-{kind}", 2, kind, certificates.of_servers())
        try:
            for server in cluster.servers:
                cluster.sql("SET GLOBAL max_connections = 10000", server)
            say(f"{kind}: {settings['logins']} TLS logins, full and resumed")
            results["logins"][kind] = all_logins(cluster, certificates, settings, say)
            if kind == "mysql":
                continue
            sysbench(cluster.port(), None, "oltp_read_write", 1, 0, "prepare")
            cluster.catch_up()
            results["selects"] = point_selects(cluster, certificates, settings, say)
            say(f"{settings['idle']} idle clients")
            results["idle"] = idle(cluster, certificates, settings, say)
            say(f"{SESSIONS} sessions in floods")
            results["floods"] = floods(cluster, certificates, settings, say)
        finally:
            cluster.stop()
    return results


if __name__ == "__main__":
    whole_handshakes(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

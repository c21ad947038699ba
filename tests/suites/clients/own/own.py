#!/usr/bin/env python3
"""Plays MariaDB's own tests (package mariadb-test, suite main) on a server, and then through ports of the modes `primary` and
`split`. A test that passes directly must pass through the proxy, unless known.txt says why it cannot.

usage: run.sh own --binary POINTSMAN [--only TEST,…] [--modes primary,split] [--log FILE]

Left out are tests that need a server with their own options, and those whose text matches `UNFIT`.
"""
import argparse
import collections
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(HERE))))
CACHE = os.path.join(os.environ.get("POINTSMAN_CACHE", os.path.expanduser("~/.cache/pointsman")), "own")
PACKAGES = ["mariadb-test", "mariadb-test-data", "libpcre2-posix3"]
CLUSTER = os.path.join(ROOT, "tests", "setup", "cluster.sh")
# As mysql-test-run starts its servers.
OPTIONS = ["--character-set-server=latin1", "--log-bin-trust-function-creators=1", "--key_buffer_size=1M",
           "--sort_buffer_size=256K", "--max_heap_table_size=1M", "--plugin-maturity=unknown", "--slave-net-timeout=120",
           "--skip-name-resolve=0", "--default-storage-engine=myisam", "--default-time-zone=+03:00"]
# Tests that restart the server, need another build of it or a cluster of their own, change the tables of accounts or the server's
# role, or count the server's sessions, which are not those of the proxy's clients.
UNFIT = re.compile(
    r"restart|have_debug|have_perfschema|have_ssl|have_profiling|big_test|valgrind|rpl_|master-slave|wait_until_disconnected|"
    r"kill_mysqld|shutdown|start_mysqld|global_priv|use mysql;|create_user_old|(rename|drop|alter) table.{0,9}mysql\.|"
    r"change master|(start|stop) slave|reset (slave|master)|global\.?\s*read_only|count_sessions|old_?passw|identified by password|install (soname|plugin)",
    re.I)
SECONDS = 40
DATABASES = {"mysql", "information_schema", "performance_schema", "sys"}
USERS = {"root", "app", "super", "monitor", "repl", "mariadb.sys"}
RESULTS = {0: "pass", 62: "skip"}


def fetch():
    """Unpacks the tests, once for each version of the packages."""
    done = os.path.join(CACHE, "done")
    if not os.path.exists(done):
        shutil.rmtree(CACHE, ignore_errors=True)
        os.makedirs(CACHE)
        subprocess.run(["apt-get", "-q", "download", *PACKAGES], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        for package in glob.glob(os.path.join(CACHE, "*.deb")):
            subprocess.run(["dpkg", "-x", package, CACHE], check=True)
        open(done, "w").close()
    return os.path.join(CACHE, "usr")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A primary with one replica; root logs in without a password."""

    def __init__(self, scratch):
        self.directory = os.path.join(scratch, "cluster")
        subprocess.run([CLUSTER, "start", self.directory, "mariadb", "1", *OPTIONS, f"--secure-file-priv={self.directory}"],
                       check=True, stdout=subprocess.DEVNULL)
        self.port = int(open(os.path.join(self.directory, "0", "port")).read())
        os.makedirs(os.path.join(self.directory, "tmp"), exist_ok=True)
        self.sql("ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('')")
        self.globals = self.variables()

    def sql(self, text):
        """Runs statements through the server's socket. Returns lines of fields; none after an error."""
        command = ["mariadb", "--no-defaults", "-uroot", "-S", os.path.join(self.directory, "0", "sock"), "-N", "-B", "-e", text]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def variables(self):
        return {row[0]: row[1] for row in self.sql("SHOW GLOBAL VARIABLES") if len(row) == 2}

    def clean(self):
        """Removes what a test left."""
        for (name,) in self.sql("SHOW DATABASES"):
            if name not in DATABASES:
                self.sql(f"DROP DATABASE `{name}`")
        for user, host, role in self.sql("SELECT user, host, is_role FROM mysql.user"):
            if user not in USERS:
                self.sql(f"DROP ROLE `{user}`" if role == "Y" else f"DROP USER `{user}`@`{host}`")
        for name, value in self.variables().items():
            was = self.globals.get(name)
            if was is not None and was != value and not re.search("gtid|pos|timestamp|^last", name):
                literal = was if re.fullmatch(r"-?\d+(\.\d+)?", was) else "'" + was.replace("'", "''") + "'"
                self.sql(f"SET GLOBAL {name} = {literal}")
        self.sql("CREATE DATABASE test CHARACTER SET latin1; CREATE DATABASE mtr; "
                 "CREATE PROCEDURE mtr.add_suppression(p TEXT) BEGIN END")

    def stop(self):
        subprocess.run([CLUSTER, "stop", self.directory], check=False)


class Proxy:
    def __init__(self, binary, server, scratch):
        self.ports = {"primary": free_port(), "split": free_port()}
        numbers = [*map(str, self.ports.values()), str(free_port())]
        config = subprocess.run([CLUSTER, "config", server.directory, *numbers], check=True, capture_output=True, text=True).stdout
        path = os.path.join(scratch, "pointsman.toml")
        with open(path, "w") as file:
            file.write(config.replace('mode = "replica"', 'mode = "split"'))
        self.log = open(os.path.join(scratch, "proxy.log"), "w")
        self.process = subprocess.Popen([binary, "run", "--config", path], stdout=self.log, stderr=self.log)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.ports["split"]), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the proxy does not listen")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


class Tests:
    def __init__(self, usr, server, scratch):
        self.usr, self.server, self.scratch = usr, server, scratch
        self.home = os.path.join(usr, "share", "mysql", "mysql-test")

    def names(self):
        for path in sorted(glob.glob(os.path.join(self.home, "main", "*.test"))):
            base = path.removesuffix(".test")
            own = any(os.path.exists(base + end) for end in (".opt", "-master.opt", ".cnf", "-master.sh", ".combinations"))
            if not own and os.path.exists(base + ".result") and not UNFIT.search(open(path, encoding="latin1").read()):
                yield os.path.basename(base)

    def environment(self, name, port):
        vardir = os.path.join(self.server.directory, "0")
        login = f"--no-defaults --user=root --host=127.0.0.1 --port={port}"
        client = {f"MYSQL{suffix}": f"mariadb{program} {login}" for suffix, program in
                  [("", ""), ("_DUMP", "-dump"), ("_CHECK", "-check"), ("_SHOW", "-show"), ("_IMPORT", "-import"), ("ADMIN", "-admin")]}
        return dict(os.environ, **client, LC_ALL="C", TZ="GMT-3", MTR_TEST_NAME=name, USE_RUNNING_SERVER="1",
                    LD_LIBRARY_PATH=os.path.join(self.usr, "lib", "x86_64-linux-gnu"),
                    MYSQL_TEST_DIR=self.home, MTR_SUITE_DIR=os.path.join(self.home, "main"), EXE_MYSQL="mariadb",
                    MYSQL_TEST=f"{self.usr}/bin/mysqltest {login}", MYSQLTEST_VARDIR=vardir, MYSQL_TMP_DIR=os.path.join(vardir, "tmp"),
                    SECURE_LOAD_PATH=os.path.join(self.home, "std_data"), MYSQL_BINDIR="/usr", MYSQL_SHAREDIR="/usr/share/mysql",
                    MYSQL_CHARSETSDIR="/usr/share/mysql/charsets", MASTER_MYPORT=str(port), DEFAULT_MASTER_PORT=str(port),
                    MASTER_MYSOCK=os.path.join(vardir, "sock"), MARIADB_DATADIR=os.path.join(vardir, "data"))

    def play(self, name, port):
        """Returns pass, skip, fail or timeout, and the first lines of what the test says."""
        self.server.clean()
        # Where a result differs, the program writes beside it.
        result = os.path.join(self.scratch, name + ".result")
        shutil.copy(os.path.join(self.home, "main", name + ".result"), result)
        command = [os.path.join(self.usr, "bin", "mysqltest"), "--no-defaults", "--silent", "--protocol=tcp", "--user=root",
                   "--host=127.0.0.1", f"--port={port}", "--database=test", f"--basedir={self.home}", "--ssl=0",
                   f"--tmpdir={os.path.join(self.server.directory, '0', 'tmp')}", f"--logdir={self.scratch}",
                   "--character-sets-dir=/usr/share/mysql/charsets", "--max-connect-retries=3", "--tail-lines=8",
                   f"--test-file={os.path.join(self.home, 'main', name + '.test')}", f"--result-file={result}"]
        try:
            done = subprocess.run(command, cwd=self.home, env=self.environment(name, port), capture_output=True, timeout=SECONDS,
                                  check=False)
        except subprocess.TimeoutExpired:
            return "timeout", ""
        said = (done.stdout + done.stderr).decode("utf8", "replace").strip().splitlines()
        return RESULTS.get(done.returncode, "fail"), "\n".join("    " + line[:200] for line in said[:12])


def known():
    """Returns the tests that cannot pass, and why."""
    lines = [line.split(None, 1) for line in open(os.path.join(HERE, "known.txt")) if line.strip() and line[0] != "#"]
    return {name: why.strip() for name, why in lines}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--modes", default="primary,split")
    parser.add_argument("--log")
    args = parser.parse_args()
    usr, excused, modes = fetch(), known(), args.modes.split(",")
    counts, wrong, better = collections.Counter(), [], []
    with tempfile.TemporaryDirectory(prefix="pointsman-own") as scratch:
        server = Server(scratch)
        proxy = None
        try:
            proxy = Proxy(args.binary, server, scratch)
            tests = Tests(usr, server, scratch)
            names = args.only.split(",") if args.only else list(tests.names())
            for at, name in enumerate(names):
                outcome = tests.play(name, server.port)[0]
                counts[f"directly: {outcome}"] += 1
                if outcome != "pass":
                    continue
                for mode in modes:
                    outcome, said = tests.play(name, proxy.ports[mode])
                    counts[f"{mode}: {outcome}"] += 1
                    if outcome != "pass" and name in excused:
                        counts[f"{mode}: known"] += 1
                    elif outcome != "pass":
                        wrong.append(f"FAIL {name}, {mode}: {outcome}\n{said}")
                        print(wrong[-1], flush=True)
                    elif name in excused and mode == modes[-1]:
                        better.append(name)
                if at % 50 == 49:
                    print(f"{at + 1} of {len(names)}", flush=True)
        finally:
            if proxy:
                proxy.stop()
            if args.log:
                shutil.copy(os.path.join(scratch, "proxy.log"), args.log)
            server.stop()
    for key, count in sorted(counts.items()):
        print(f"{key}: {count}")
    for name in better:
        print(f"passes now, and known.txt says that it cannot: {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Restarts two proxies behind one address while applications run: none of their statements may fail.

usage: rolling.py --binary POINTSMAN --cluster DIR [--rounds 2] [--delay 1s] [--timeout 20s] [--log FILE] -- COMMAND… [-- COMMAND…]

Each COMMAND is a program that reads the address from PM_HOST and PM_PORT, prints `ready` when its workers run, ends when
its standard input ends, and reports in lines that begin with ok, FAIL or failed. The script ends the proxies by SIGTERM, one
after the other, and starts each again when it has ended."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from balancer import Balancer

SETUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "setup")


def shell(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def free_port():
    return int(shell("bash", "-c", f'. "{SETUP}/lib.sh"; free_port'))


class Proxy:
    """One of the two, with ports that stay the same."""

    def __init__(self, number, options):
        self.options, self.process = options, None
        self.port, replica_port, self.http = free_port(), free_port(), free_port()
        self.config = os.path.join(options.cluster, f"proxy-{number}.toml")
        config = shell(f"{SETUP}/cluster.sh", "config", options.cluster, str(self.port), str(replica_port), str(self.http))
        config = config.replace('mode = "primary"', 'mode = "split"', 1).replace('password = "monitor"', 'password = "monitor"\ninterval = "1s"', 1)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'workers = 2\n{config}\n\n[drain]\ndelay = "{options.delay}"\ntimeout = "{options.timeout}"\n')
        self.log = open(options.log or os.devnull, "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.options.binary, "run", "--config", self.config], stdin=subprocess.DEVNULL, stderr=self.log)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("FAIL - - a proxy did not become ready")

    def end(self):
        """Ends it as Kubernetes does; returns how long that took."""
        began = time.monotonic()
        self.process.terminate()
        if self.process.wait(timeout=300) != 0:
            print("FAIL - - a proxy ended with", self.process.returncode)
        return time.monotonic() - began


class Application:
    """A program under way, whose lines are kept as they come."""

    def __init__(self, command, environment):
        self.lines, self.ready = [], threading.Event()
        self.process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            print(line, end="", flush=True)
            if line == "ready\n":
                self.ready.set()
        self.ready.set()

    def finish(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=120)
        self.reader.join()
        if status != 0 or not any(line.startswith("ok ") for line in self.lines):
            print(f"FAIL - - {self.process.args[0]} ended with {status}")
            return False
        return not any(line.startswith(("FAIL ", "failed ")) for line in self.lines)



def restart(proxies, options):
    for turn in range(options.rounds):
        for number, proxy in enumerate(proxies):
            took = proxy.end()
            print(f"round {turn + 1}: proxy {number + 1} ended after {took:.1f} s", flush=True)
            proxy.start()
            # As a Deployment does: the next one's turn comes when this one takes connections.
            time.sleep(1)


def main():
    arguments, commands = sys.argv[1:], []
    while "--" in arguments:
        at = len(arguments) - 1 - arguments[::-1].index("--")
        commands.insert(0, arguments[at + 1:])
        arguments = arguments[:at]
    parser = argparse.ArgumentParser()
    for name, default in {"binary": None, "cluster": None, "delay": "1s", "timeout": "20s", "log": ""}.items():
        parser.add_argument(f"--{name}", default=default, required=default is None)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    proxies, applications = [], []
    try:
        proxies += [Proxy(number, options) for number in range(2)]
        balancer = Balancer([(proxy.port, proxy.http) for proxy in proxies])
        time.sleep(0.5)
        environment = dict(os.environ, PM_HOST="127.0.0.1", PM_PORT=str(balancer.port), PM_USER="app", PM_PASSWORD="app", PM_DATABASE="test")
        applications += [Application(command, environment) for command in commands]
        for application in applications:
            application.ready.wait(timeout=60)
        time.sleep(3)
        restart(proxies, options)
        time.sleep(2)
        fine = [application.finish() for application in applications]
        for refusal in balancer.refused:
            print("FAIL - address", refusal)
        return 0 if all(fine) and not balancer.refused else 1
    finally:
        for started in [*proxies, *applications]:
            started.process.kill()


if __name__ == "__main__":
    sys.exit(main())

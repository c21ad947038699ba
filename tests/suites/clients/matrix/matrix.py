"""Logs in with every driver, to every account, in every TLS mode, directly and through the proxy, and compares the outcomes.

usage: matrix.py --kind mariadb|mysql --binary POINTSMAN --drivers FILE --results FILE [--sources users|accounts] [--log FILE]

README.md has what a cell is and how differences are known. Each line of the file of drivers has a name, then a tab and the
probe's command with its words apart by 0x1f, or a tab, `SKIPPED` and a reason. Prints one line per cell."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

from drivers import DRIVERS
from ground import HOST, KINDS, Ground, wrong_password
from known import Known
from probe_process import Probe

# The mode's name; what the driver is told; the CA that the driver gets; the endpoint.
TLS_MODES = {
    "none": ("none", "ca", "tls"),
    "required": ("required", "ca", "tls"),
    "verified": ("verify", "ca", "tls"),
    "other_ca": ("verify", "other-ca", "tls"),
    "not_offered": ("required", "ca", "plain"),
}
# How often a login is tried directly whose outcome is not the expected one: some drivers fail by chance. go-sql-driver
# takes the last byte of an ed25519 challenge for the end of a string if it is zero, so one login in 256 fails.
TRIES = 3
# In these modes no password is asked for.
WITHOUT_LOGIN = ("other_ca", "not_offered")


def login_names(account):
    """What is tried with an account: caching_sha2_password's two exchanges apart, the full one last, since it empties the cache."""
    return ["sha2_fast", "sha2_full"] if account.name == "caching_sha2" else [account.name]


def cells(accounts):
    """Every cell of one kind of server: its login's name, the account, the TLS mode and the password's kind."""
    logins = [(name, account) for account in accounts for name in login_names(account)]
    for name, account in sorted(logins, key=lambda login: login[0] == "sha2_full"):
        for tls in TLS_MODES:
            for password in ("right",) if tls in WITHOUT_LOGIN else ("right", "wrong"):
                yield name, account, tls, password


class Matrix:
    def __init__(self, options, ground):
        self.options, self.ground = options, ground
        self.known = Known(options.sources, options.kind, DRIVERS)
        self.counts = dict(ok=0, FAIL=0, SKIPPED=0)
        self.results = open(options.results, "a", encoding="utf-8")

    def say(self, verdict, text):
        self.counts[verdict] += 1
        print(verdict, text, flush=True)

    def record(self, **fields):
        common = dict(sources=self.options.sources, kind=self.options.kind, server=self.ground.version)
        self.results.write(json.dumps({**common, **fields}) + "\n")
        self.results.flush()

    def outcome(self, probe, driver, name, account, tls, password, target):
        """`ok`, or the error's code or class; and the error's text. The proxy counts whether the connection was encrypted."""
        mode, ca, endpoint = TLS_MODES[tls]
        port = (self.ground.direct if target == "direct" else self.ground.through)[endpoint]
        row, value = f"{driver}.{target}", f"{time.time_ns()}"
        secret = account.password if password == "right" else wrong_password()
        if name == "sha2_full":
            self.ground.empty_cache()
        user = self.ground.user(account)
        before = self.ground.handshakes()
        answer = probe.ask(HOST, str(port), user, secret, mode, self.ground.file(f"{ca}.pem"), row, value)
        if answer[0] != "ok":
            return answer[1], answer[-1]
        encrypted = self.ground.handshakes() > before
        if target == "proxy" and encrypted != (mode != "none" and endpoint == "tls"):
            return "encrypted" if encrypted else "not encrypted", "TLS was not as the driver was told"
        if answer[1:] == [f"{user}@%", value]:
            return "ok", ""
        return "wrong rows", f"expected {user}@% {value}, got {' '.join(answer[1:])}"

    def cell(self, probe, driver, name, account, tls, password):
        where = f"{driver} {self.options.kind}.{name}.{tls}.{password}"
        entry = self.known.of(driver, name, tls, password)
        direct, direct_text = self.outcome(probe, driver, name, account, tls, password, "direct")
        proxy, proxy_text = self.outcome(probe, driver, name, account, tls, password, "proxy")
        for _ in range(1, TRIES):
            if direct == (entry.direct if entry else proxy):
                break
            direct, direct_text = self.outcome(probe, driver, name, account, tls, password, "direct")
        verdict, reason = "same", ""
        if entry and (entry.direct, entry.proxy) == (direct, proxy):
            verdict, reason = "known", entry.reason
            self.say("ok", f"{where} known difference: {direct} directly, {proxy} through the proxy: {reason}")
        elif entry:
            verdict = "differs"
            self.say("FAIL", f"{where} known.tsv expects {entry.direct} directly and {entry.proxy} through the proxy; "
                             f"got {direct} {direct_text} and {proxy} {proxy_text}")
        elif direct != proxy:
            verdict = "differs"
            self.say("FAIL", f"{where} directly {direct} {direct_text}; through the proxy {proxy} {proxy_text}")
        elif direct == "ok" and (password == "wrong" or tls == "other_ca"):
            verdict = "differs"
            self.say("FAIL", f"{where} works, but must fail")
        else:
            self.say("ok", f"{where} {direct}")
        self.record(driver=driver, version=probe.version, login=name, tls=tls, password=password, direct=direct, proxy=proxy,
                    verdict=verdict, reason=reason)

    def driver(self, driver, command):
        probe = Probe(command)
        filled = None
        try:
            for name, account, tls, password in cells(self.ground.accounts):
                if name == "sha2_fast" and not filled:
                    self.ground.fill_cache(account)
                    filled = True
                self.cell(probe, driver, name, account, tls, password)
        finally:
            probe.end()

    def run(self):
        for account in self.ground.missing():
            reason = f"{KINDS[self.options.kind]} {self.ground.version} has no plugin {account.plugin}"
            self.say("SKIPPED", f"{self.options.kind}.{account.name} - {reason}")
            for name in login_names(account):
                self.record(login=name, skipped=reason)
        with open(self.options.drivers, encoding="utf-8") as file:
            drivers = [line.rstrip("\n").split("\t") for line in file]
        ran = []
        for driver, *command in drivers:
            if command[0] == "SKIPPED":
                self.say("SKIPPED", f"{driver} - {command[1]}")
                self.record(driver=driver, skipped=command[1])
            else:
                self.driver(driver, command[0].split("\x1f"))
                ran.append(driver)
        for key in self.known.unmet(ran, [name for account in self.ground.accounts for name in login_names(account)]):
            self.say("FAIL", f"{' '.join(key)} is in known.tsv, but there is no such cell")
        print(f"logins on {KINDS[self.options.kind]} {self.ground.version}: {self.counts['ok']} ok, {self.counts['FAIL']} failed, "
              f"{self.counts['SKIPPED']} skipped drivers and plugins")
        return self.counts["FAIL"] == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", required=True, choices=("mariadb", "mysql"))
    parser.add_argument("--binary", required=True)
    parser.add_argument("--drivers", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--sources", default="accounts", choices=("users", "accounts"))
    parser.add_argument("--log")
    options = parser.parse_args()
    os.environ["LC_ALL"] = "C"
    # Ended from outside, it ends its servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Ground(options.kind, options.binary, options.sources, options.log) as ground:
            sys.exit(0 if Matrix(options, ground).run() else 1)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"FAIL - {options.kind} could not be set up: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()

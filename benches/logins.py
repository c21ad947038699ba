"""How long the proxy takes to refuse a wrong password and a user that does not exist: if these times differ, somebody
without a password learns which names exist. The part `logins` of run.sh.

The passwords are configured. With the servers' account tables every refusal waits for the tables, up to a second, and the
time says nothing at all."""
import math
import os
import random
import statistics
import struct
import time

from targets import CONFIGURED, pointsman
from tls import context
from wire import SSL, Connection

# As long as each other, so that packets are, too. Between the last two there is nothing to find.
USERS = {"wrong": b"app", "unknown": b"apq", "nobody": b"apr"}
PLUGINS = [("mysql_native_password", 20), ("caching_sha2_password", 32)]


class Try(Connection):
    """A login up to its answer, which takes `micros`."""

    def __init__(self, port, name, proof, tls):
        self.name, self.proof, self.micros = name, proof, 0.0
        super().__init__(port, tls=tls)

    def _login(self, user, password, schema):
        plugin = self.read().rsplit(b"\0", 2)[1]
        flags = 0x1 | 0x200 | 0x8000 | 0x80000
        if self.tls:
            self.write(struct.pack("<IIB23x", flags | SSL, 1 << 24, 45))
            self.sock = self.tls.wrap_socket(self.sock)
            flags |= SSL
        response = struct.pack("<IIB23x", flags, 1 << 24, 45) + self.name + b"\0" + bytes([self.proof]) \
            + os.urandom(self.proof) + plugin + b"\0"
        began = time.perf_counter_ns()
        self.write(response)
        answer = self.read()
        self.micros = (time.perf_counter_ns() - began) / 1e3
        if answer[:3] != b"\xff\x15\x04":
            raise RuntimeError(f"not ERROR 1045: {answer}")


def mann_whitney(one, other):
    """The two-sided p-value of the rank test (its normal approximation, with ties): small if one of both tends to take
    longer."""
    ranked = sorted([(v, 0) for v in one] + [(v, 1) for v in other])
    ranks, ties, at = 0.0, 0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ranks += (at + 1 + end) / 2 * sum(1 for v in ranked[at:end] if not v[1])
        ties += (end - at) ** 3 - (end - at)
        at = end
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    return math.erfc(abs(u - n * m / 2) / spread / math.sqrt(2))


def measure(cluster, settings, say):
    """Tries of all users in an order by chance, with each plugin, with and without TLS."""
    def without_native(text):
        # Offers caching_sha2_password on the second port, also in front of MariaDB; and blocks nobody.
        return text.replace('mode = "replica"', 'mode = "replica"\nallow_native_password = false', 1) \
            + "\n[limits]\nmax_login_errors = 0\n" + CONFIGURED

    proxy = pointsman("primary", cluster, 0, edit=without_native)
    rows = []
    try:
        for port, (plugin, proof) in zip((proxy.port, proxy.readers), PLUGINS):
            for tls in (None, context()):
                order = list(USERS) * (settings["tries"] // 2)
                random.Random(1).shuffle(order)
                micros = {kind: [] for kind in USERS}
                for number, kind in enumerate(order):
                    done = Try(port, USERS[kind], proof, tls)
                    done.close()
                    # The first of all warm up what is warm later.
                    if number >= len(order) // 20:
                        micros[kind].append(done.micros)
                tenths = {kind: statistics.quantiles(seen, n=10) for kind, seen in micros.items()}
                rows.append({"plugin": plugin, "tls": bool(tls), "p": mann_whitney(micros["wrong"], micros["unknown"]),
                             "control": mann_whitney(micros["nobody"], micros["unknown"]),
                             "times": {kind: [t[0], t[4], t[8]] for kind, t in tenths.items()}})
                say(f"  {rows[-1]}")
    finally:
        proxy.stop()
    return rows

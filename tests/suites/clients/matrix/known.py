"""The known differences between a login on a server and a login through the proxy: known.tsv."""

import os
from typing import NamedTuple

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "known.tsv")


class Difference(NamedTuple):
    direct: str
    proxy: str
    reason: str


class Known:
    """The entries for one source of passwords and one kind of server. Commas in a field stand for several entries."""

    def __init__(self, sources, kind, drivers):
        self.entries, self.met, self.drivers = {}, set(), drivers
        with open(FILE, encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file]
        for number, line in enumerate(lines, 1):
            if not line or line.startswith("#"):
                continue
            fields = line.split("\t")
            if len(fields) != 9 or not all(fields):
                raise SystemExit(f"FAIL known.tsv line {number}: nine fields, none empty, apart by tabs")
            if sources in fields[0].split(",") and kind in fields[1].split(","):
                self.add(number, [field.split(",") for field in fields[2:6]], Difference(*fields[6:]))

    def add(self, number, names, difference):
        if difference.direct == difference.proxy:
            raise SystemExit(f"FAIL known.tsv line {number}: no difference")
        drivers, logins, modes, passwords = names
        for key in ((d, l, t, p) for d in drivers for l in logins for t in modes for p in passwords):
            if key[0] not in self.drivers:
                raise SystemExit(f"FAIL known.tsv line {number}: no driver {key[0]}")
            if key in self.entries:
                raise SystemExit(f"FAIL known.tsv line {number}: {'.'.join(key)} is in two lines")
            self.entries[key] = difference

    def of(self, driver, login, tls, password):
        self.met.add((driver, login, tls, password))
        return self.entries.get((driver, login, tls, password))

    def unmet(self, drivers, logins):
        """The entries of drivers that ran and of logins that this server has for which there was no cell."""
        return [key for key in self.entries if key not in self.met and key[0] in drivers and (key[1] in logins or not known_login(key[1]))]


def known_login(name):
    return name in ("native", "ed25519", "sha2_fast", "sha2_full", "sha256", "empty")

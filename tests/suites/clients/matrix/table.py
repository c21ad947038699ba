"""Writes the tables of docs/drivers.md and README.md from the results of a whole run: `table.py RESULTS`.

Refuses if a cell has neither an outcome nor a reason why it was skipped, or if an outcome is an unknown difference."""

import json
import os
import sys

from drivers import DRIVERS
from ground import ACCOUNTS, KINDS
from matrix import cells

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", ".."))
BEGIN = "<!-- drivers: tests/suites/clients/run.sh matrix --table -->"
END = "<!-- end -->"
# The columns of docs/drivers.md: their title and their logins, by kind of server.
COLUMNS = {
    "`mysql_native_password`": {"mariadb": ["native"]},
    "`ed25519`": {"mariadb": ["ed25519"]},
    "`caching_sha2_password`": {"mysql": ["sha2_fast", "sha2_full"]},
    "`sha256_password`": {"mysql": ["sha256"]},
    "no password": {"mariadb": ["empty"], "mysql": ["empty"]},
}
LOGIN_MODES = ("none", "required", "verified")
NAMES = {"native": "`mysql_native_password`", "ed25519": "`ed25519`", "sha2_fast": "`caching_sha2_password`",
         "sha2_full": "`caching_sha2_password`", "sha256": "`sha256_password`", "empty": "no password"}


class Results:
    def __init__(self, lines):
        self.outcomes, self.skipped, self.versions, self.servers = {}, {}, {}, {}
        self.sources = set()
        for line in lines:
            entry = json.loads(line)
            kind = entry["kind"]
            self.servers[kind] = entry["server"]
            self.sources.add(entry["sources"])
            if "skipped" in entry:
                self.skipped[kind, entry.get("driver"), entry.get("login")] = entry["skipped"]
                continue
            self.versions[entry["driver"]] = entry["version"]
            self.outcomes[kind, entry["driver"], entry["login"], entry["tls"], entry["password"]] = entry

    def why_not(self, kind, driver, login):
        return self.skipped.get((kind, driver, None)) or self.skipped.get((kind, None, login))

    def incomplete(self):
        """What keeps the tables from being written: cells without an outcome or a reason, and unknown differences."""
        for kind in KINDS:
            for driver in DRIVERS:
                for login, _, tls, password in cells(ACCOUNTS[kind]):
                    entry = self.outcomes.get((kind, driver, login, tls, password))
                    where = f"{driver} {kind}.{login}.{tls}.{password}"
                    if not entry and not self.why_not(kind, driver, login):
                        yield f"{where}: neither an outcome nor a reason for skipping it"
                    elif entry and entry["verdict"] == "differs":
                        yield f"{where}: an unknown difference"
                    elif entry and not entry["version"]:
                        yield f"{where}: the driver's version is not known"

    def right(self, kind, driver, login, tls, target):
        entry = self.outcomes.get((kind, driver, login, tls, "right"))
        return bool(entry) and entry[target] == "ok"

    def cell(self, kind, driver, logins):
        """In which TLS modes these logins work through the proxy."""
        if any(self.why_not(kind, driver, login) for login in logins):
            return "not tried"
        modes = [tls for tls in LOGIN_MODES if all(self.right(kind, driver, login, tls, "proxy") for login in logins)]
        if len(modes) == len(LOGIN_MODES):
            return "yes"
        if modes == ["required", "verified"]:
            return "with TLS"
        if modes:
            return " and ".join(modes)
        directly = any(self.right(kind, driver, login, tls, "direct") for login in logins for tls in LOGIN_MODES)
        return "**no**" if directly else "–"

    def column(self, driver, logins_by_kind):
        found = {kind: self.cell(kind, driver, logins) for kind, logins in logins_by_kind.items()}
        if len(set(found.values())) == 1:
            return next(iter(found.values()))
        return ", ".join(f"{KINDS[kind]}: {words}" for kind, words in found.items())

    def insists(self, driver):
        """Whether the driver, told to use TLS, insists on TLS."""
        entries = [self.outcomes[key] for key in self.outcomes if key[1] == driver and key[3] == "not_offered"]
        return "no" if any(entry["direct"] == "ok" for entry in entries) else "yes"

    def notes(self):
        """The known differences by their reasons, in the order of the drivers: the drivers, and what differs where."""
        notes = {}
        order = list(DRIVERS)
        for entry in sorted(self.outcomes.values(), key=lambda entry: order.index(entry["driver"])):
            if entry["verdict"] == "known":
                drivers, wheres = notes.setdefault(entry["reason"], ({}, {}))
                drivers[entry["driver"]] = True
                wheres.setdefault((where(entry), outcome(entry["proxy"])), {})[outcome(entry["direct"])] = True
        return notes


def where(entry):
    words = [KINDS[entry["kind"]], NAMES[entry["login"]]]
    words += ["TLS not offered"] if entry["tls"] == "not_offered" else []
    words += ["wrong password"] if entry["password"] == "wrong" else []
    return ", ".join(words)


def difference(place, proxy, direct):
    return f"{place}: {' or '.join(direct)} directly, {proxy} through the proxy"


def outcome(code):
    return "works" if code == "ok" else f"`{code}`"


def sentence(text):
    return text[0].upper() + text[1:] + "."


def page(results):
    notes = results.notes()
    servers = " and ".join(f"{name} {results.servers[kind]}" for kind, name in KINDS.items())
    source = "`[[users]]` has the passwords" if results.sources == {"users"} else "the servers' account tables are read"
    lines = [BEGIN, "", f"Servers: {servers}; {source}.", ""]
    heads = ["Driver", "Version", *COLUMNS, "insists on TLS", "Notes"]
    lines += [row(heads), row(["---"] * len(heads))]
    untried = []
    for driver, (language, name) in DRIVERS.items():
        skipped = {why for kind in KINDS if (why := results.skipped.get((kind, driver, None)))}
        if skipped:
            untried.append(f"- {name} ({language}): not tried, {'; '.join(sorted(skipped))}")
            continue
        numbers = [str(at) for at, (drivers, _) in enumerate(notes.values(), 1) if driver in drivers]
        cells_ = [results.column(driver, logins) for logins in COLUMNS.values()]
        lines.append(row([f"{name} ({language})", results.versions[driver], *cells_, results.insists(driver), ", ".join(numbers)]))
    for (kind, driver, login), why in results.skipped.items():
        if driver is None:
            untried.append(f"- {NAMES[login]} on {KINDS[kind]}: not tried, {why}")
    lines += [""] + untried + ["", "Known differences:", ""]
    for at, (reason, (_, wheres)) in enumerate(notes.items(), 1):
        lines += [f"{at}. {sentence(reason)}"] + [f"   - {difference(*key, direct)}" for key, direct in wheres.items()]
    return "\n".join([*lines, "", END])


def row(fields):
    return f"| {' | '.join(fields)} |"


def short(results):
    """README.md's table: one row per language."""
    languages = {}
    for driver, (language, name) in DRIVERS.items():
        if driver in results.versions:
            names = languages.setdefault(language, [])
            name = name.split(",")[0]
            if name not in names:
                names.append(name)
    rows = [row([language, ", ".join(names)]) for language, names in languages.items()]
    return "\n".join([BEGIN, "", row(["Language", "Drivers"]), row(["---", "---"]), *rows, "", END])


def replace(name, text):
    path = os.path.join(ROOT, name)
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    _, after = rest.split(END)
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + text + after)
    print(f"wrote {name}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = Results(file)
    missing = list(results.incomplete())
    for line in missing[:20]:
        print(f"FAIL table - {line}")
    if missing:
        raise SystemExit(f"{len(missing)} cells keep the tables from being written")
    replace("docs/drivers.md", page(results))
    replace("README.md", short(results))


if __name__ == "__main__":
    main()

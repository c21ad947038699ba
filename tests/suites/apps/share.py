"""Counts which server ran the reads of an application's phase, from the servers' own general logs, by the account.

usage: share.py on|off PORT…
       share.py wait PRIMARY REPLICA…    waits until the replicas have all writes of the primary, and the proxy knows that
       share.py phase --app NAME --phase NAME --from SECONDS --to SECONDS --reads N --account USER --primary PORT
                      [--replica PORT …] [--min-share PERCENT] [--show N]

The logs have the text of every statement and execute. The monitor's probes (another account) and the proxy's own statements
(OWN below) do not count. If the logs have fewer reads than the application reports, the phase fails.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter

# Statements that a proxy sends on an application's account by itself: position of a write, waits for one, state (no
# application here asks for an insert id in a reading phase).
OWN = re.compile(
    r"^\s*(SELECT|DO)\s+(MASTER_GTID_WAIT|WAIT_FOR_EXECUTED_GTID_SET|@@(GLOBAL\.)?gtid_\w+)\b|^SELECT LAST_INSERT_ID\(\)$", re.IGNORECASE
)
READ = re.compile(r"^[\s(]*(SELECT|WITH|SHOW|TABLE|VALUES|EXPLAIN|DESC|DESCRIBE)\b", re.IGNORECASE)
COMMENT = re.compile(r"/\*(?![!M]).*?\*/|(--\s|#).*?(\n|$)", re.DOTALL)
# Several times the proxy's monitor.interval in tests/run.sh: a probe may be late.
SETTLE_SECONDS = 3
SETTINGS = re.compile(r"^\s*SELECT\s+@@", re.IGNORECASE)


def run(port, sql):
    """Rows of a statement as the administrator sees them; tabs and line ends inside values arrive escaped."""
    command = ["mariadb", "--no-defaults", "--skip-ssl", "-h127.0.0.1", f"-P{port}", "-N", "-B", "--default-character-set=utf8mb4"]
    user, password = os.environ.get("PM_ADMIN", "super:super").split(":", 1)
    done = subprocess.run([*command, f"-u{user}", f"-p{password}", "-e", sql], capture_output=True, timeout=60, check=False)
    if done.returncode:
        sys.exit(f"share.py: port {port}: {done.stderr.decode(errors='replace').strip()}")
    return [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]


def switch(ports, on):
    """The log as a table, emptied where the server allows that (a super_read_only one does not). None of it is replicated."""
    for port in ports:
        run(port, "SET GLOBAL general_log = OFF, GLOBAL log_output = 'TABLE'")
        if on and not any(row[1] == "ON" for row in run(port, "SHOW GLOBAL VARIABLES LIKE 'super_read_only'")):
            run(port, "SET sql_log_bin = 0; TRUNCATE mysql.general_log")
        if on:
            run(port, "SET GLOBAL general_log = ON")


def wait(primary, replicas):
    if "MariaDB" in run(primary, "SELECT VERSION()")[0][0]:
        position, function = "@@gtid_binlog_pos", "MASTER_GTID_WAIT"
    else:
        position, function = r"REPLACE(@@gtid_executed, '\n', '')", "WAIT_FOR_EXECUTED_GTID_SET"
    position = run(primary, f"SELECT {position}")[0][0]
    for port in replicas:
        if run(port, f"SELECT {function}('{position}', 20)") != [["0"]]:
            sys.exit(f"share.py: the replica on port {port} did not reach {position} in 20 s")
    time.sleep(SETTLE_SECONDS)


def statements(port, account, begin, end):
    """(connection, kind, text) of the account's statements in the phase, in their order."""
    return run(
        port,
        "SELECT thread_id, command_type, CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE event_time "
        f"BETWEEN FROM_UNIXTIME({begin:.6f}) AND FROM_UNIXTIME({end:.6f}) AND command_type IN ('Query', 'Execute') "
        f"AND user_host LIKE '{account}[%' ORDER BY event_time",
    )


def shape(text):
    """A statement without its values, so that equal ones add up."""
    text = re.sub(r"\\[nt]", " ", COMMENT.sub(" ", text))
    text = re.sub(r"'(?:[^'\\]|\\.|'')*'", "?", text)
    text = re.sub(r"\b\d+(\.\d+)?\b", "?", text)
    return re.sub(r"\?(\s*,\s*\?)+", "?,…", " ".join(text.split()))


def reads_of(rows):
    """Those that only read, without the proxy's own."""
    for row in rows:
        text = row[2] if len(row) > 2 else ""
        bare = COMMENT.sub(" ", text)
        if READ.match(bare) and not OWN.search(text) and not re.search(r"\bFOR\s+(UPDATE|SHARE)\b|\bLOCK IN SHARE", bare, re.IGNORECASE):
            yield bare


def phase(o):
    on_primary = Counter(shape(t) for t in reads_of(statements(o.primary, o.account, o.begin, o.end)))
    per_replica = [Counter(shape(t) for t in reads_of(statements(port, o.account, o.begin, o.end))) for port in o.replica]
    on_replicas = sum(per_replica, Counter())
    total = on_primary.total() + on_replicas.total()
    share = 100.0 * on_replicas.total() / total if total else 0.0
    spread = "+".join(str(one.total()) for one in per_replica)
    settings = sum(n for text, n in on_primary.items() if SETTINGS.match(text))
    verdict = f"{share:.1f} % of {total} reads on replicas ({spread}; {on_primary.total()} on the primary, {settings} of them of settings)"
    name = f"{o.app} share_{o.phase}"
    if total < o.reads:
        print(f"FAIL {name} the servers' logs hold {total} reads, the application says it sent {o.reads}")
    elif o.min_share is None:
        print(f"info {name} {verdict}")
    elif share < o.min_share:
        print(f"FAIL {name} {verdict}, wanted {o.min_share:g} %")
    else:
        print(f"ok {name} {verdict}")
    for text, times in on_primary.most_common(o.show if o.min_share is not None else 0):
        print(f"     {times} × on the primary: {text[:300]}")
    return total >= o.reads and (o.min_share is None or share >= o.min_share)


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("on", "off"):
        verbs.add_parser(verb).add_argument("ports", nargs="+", type=int)
    p = verbs.add_parser("wait")
    p.add_argument("primary", type=int)
    p.add_argument("replicas", nargs="+", type=int)
    p = verbs.add_parser("phase")
    p.add_argument("--app", required=True)
    p.add_argument("--phase", required=True)
    p.add_argument("--from", dest="begin", type=float, required=True)
    p.add_argument("--to", dest="end", type=float, required=True)
    p.add_argument("--reads", type=int, required=True)
    p.add_argument("--account", default="app")
    p.add_argument("--primary", type=int, required=True)
    p.add_argument("--replica", type=int, action="append", default=[])
    p.add_argument("--min-share", type=float)
    p.add_argument("--show", type=int, default=0)
    o = parser.parse_args()
    if o.verb in ("on", "off"):
        switch(o.ports, o.verb == "on")
        return 0
    if o.verb == "wait":
        wait(o.primary, o.replicas)
        return 0
    return 0 if phase(o) else 1


if __name__ == "__main__":
    sys.exit(main())

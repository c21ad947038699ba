#!/usr/bin/env python3
"""Counts what a statement costs in the proxy, under callgrind: instructions, cache misses, allocations and atomic
instructions of sessions in memory (src/session/tests/cost.rs), without the system's part. The counts must not exceed
tests/cost/budgets.tsv.

usage: tests/cost/run.py            compares the counts with the budgets
       tests/cost/run.py --write    writes the counts as the budgets; say in the commit why they grew
       tests/cost/run.py --only CASE  e.g. "text strong 16"; shows where the instructions go (callgrind_annotate)
"""
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUDGETS = os.path.join(ROOT, "tests", "cost", "budgets.tsv")
TEST = "session::tests::cost::every_case_gets_its_answers"
CASES = ["text", "prepared", "row", "write", "transaction", "mixed"]
LEVELS = ["eventual", "strong"]
# How many statements each of so many sessions says.
SESSIONS = {1: 400, 16: 40, 200: 8}
# The caches of a common server core, so that the counts are the same on all machines: first level 32 KiB, last 8 MiB.
CACHES = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"]
# The columns of the budgets, and by how much a count may exceed its budget. The hash tables' random keys make the
# counts of two runs differ by less than this.
COLUMNS = {"instructions": 1.03, "first_level_misses": 1.15, "last_level_misses": 1.5, "allocations": 1, "atomics": 1}
# Differences below these do not count: few events have a large relative noise.
LEAST = {"instructions": 50, "first_level_misses": 3, "last_level_misses": 2, "allocations": 0.2, "atomics": 1}
# Where Rust's programs allocate. What is freed was allocated before.
ALLOCATES = re.compile(r"__rust_(alloc|alloc_zeroed|realloc)>")
# An exchange with memory is atomic without the prefix.
ATOMIC = re.compile(r"\tlock |\txchg .*\(")


def test_binary():
    """Builds the unit tests, optimized. Returns the path."""
    command = ["cargo", "test", "--locked", "--profile=counted", "--lib", "--no-run", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable")][-1]


def counts_of(path):
    """Reads a dump of callgrind: its sums by event. Zeros at the end are left out there."""
    events, sums = [], []
    with open(path, encoding="utf-8", errors="replace") as dump:
        for line in dump:
            if line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith(("summary:", "totals:")):
                sums = [int(n) for n in line.split()[1:]] or sums
    return dict.fromkeys(events, 0) | dict(zip(events, sums))


def places(binary):
    """Returns the addresses in the program of instructions that begin an allocation, and of atomic ones."""
    allocations, atomics, begins = set(), set(), False
    command = ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", binary]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as listing:
        for line in listing.stdout:
            if line.endswith(">:\n"):
                begins = ALLOCATES.search(line) is not None
                continue
            address, instruction, _ = line.partition(":")
            if not instruction:
                continue
            if begins:
                allocations.add(int(address, 16))
                begins = False
            if ATOMIC.search(instruction):
                atomics.add(int(address, 16))
    return allocations, atomics


def executions(path, binary):
    """Reads a dump of callgrind: how often each instruction of the program ran."""
    ran, names, here, address, skip = {}, {}, False, 0, False
    with open(path, encoding="utf-8", errors="replace") as dump:
        for line in dump:
            if line.startswith("ob="):
                number, _, name = line[3:].strip().partition(" ")
                names[number] = name or names.get(number, number)
                here = names[number] == binary
            elif line.startswith("calls="):
                skip = True
            elif line[0] in "0+-*" and (line[0] != "0" or line.startswith("0x")):
                position, *events = line.split()
                if position[0] == "*":
                    pass
                elif position[0] in "+-":
                    address += int(position, 0)
                else:
                    address = int(position, 16)
                # The line behind a call has what the callee cost.
                if here and not skip and events:
                    ran[address] = ran.get(address, 0) + int(events[0])
                skip = False
    return ran


def count(binary, cases, keep=None):
    """Runs the cases. Yields the counts of each for one statement."""
    allocations, atomics = places(binary)
    with tempfile.TemporaryDirectory() as scratch:
        plays = ",".join(f"{case} {level} {sessions} {SESSIONS[sessions]}" for case, level, sessions in cases)
        subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--cache-sim=yes", *CACHES,
             "--dump-line=no", "--dump-instr=yes", "--compress-strings=yes", "--toggle-collect=*poll_of_the_proxy*",
             "--dump-before=*session::tests::cost::mark*",
             f"--callgrind-out-file={scratch}/dump", binary, "--exact", TEST, "--test-threads=1"],
            env={"PATH": os.environ["PATH"], "COST": plays}, stdout=subprocess.DEVNULL, check=True)
        # The third mark of each case ends what counts.
        for number, (case, level, sessions) in enumerate(cases):
            path = f"{scratch}/dump.{3 * number + 3}"
            sums = counts_of(path)
            ran = executions(path, binary)
            statements = sessions * SESSIONS[sessions]
            if keep:
                os.replace(path, keep)
            yield (case, level, sessions), {
                "instructions": sums["Ir"] / statements,
                "first_level_misses": (sums["I1mr"] + sums["D1mr"] + sums["D1mw"]) / statements,
                "last_level_misses": (sums["ILmr"] + sums["DLmr"] + sums["DLmw"]) / statements,
                "allocations": sum(ran.get(address, 0) for address in allocations) / statements,
                "atomics": sum(ran.get(address, 0) for address in atomics) / statements,
            }


def budgets():
    with open(BUDGETS, encoding="utf-8") as table:
        rows = [line.rstrip("\n").split("\t") for line in table if not line.startswith("#")]
    return {
        (case, level, int(sessions)): dict(zip(COLUMNS, map(float, rest))) for case, level, sessions, *rest in rows[1:]
    }


def shown(counts, column):
    return f"{counts[column]:.{0 if column == 'instructions' else 1}f}"


def write(found):
    with open(BUDGETS, "w", encoding="utf-8") as table:
        table.write("# What one statement may cost in the proxy; see tests/cost/run.py. ")
        table.write("A commit that raises a figure says why.\n")
        table.write("\t".join(["case", "level", "sessions", *COLUMNS]) + "\n")
        for (case, level, sessions), counts in found.items():
            fields = [case, level, str(sessions), *(shown(counts, c) for c in COLUMNS)]
            table.write("\t".join(fields) + "\n")


def main():
    cases = [(case, level, sessions) for sessions in SESSIONS for case in CASES for level in LEVELS]
    binary = test_binary()
    if sys.argv[1:2] == ["--only"]:
        case, level, sessions = sys.argv[2].split()
        kept = os.path.join(tempfile.gettempdir(), "pointsman-cost.callgrind")
        for _, counts in count(binary, [(case, level, int(sessions))], keep=kept):
            print(counts)
        os.execvp("callgrind_annotate", ["callgrind_annotate", "--inclusive=yes", "--tree=none", kept])
    found = dict(count(binary, cases))
    if sys.argv[1:2] == ["--write"]:
        return write(found)
    allowed, failed = budgets(), 0
    for case, counts in found.items():
        name = "{}, {}, {} sessions".format(*case)
        budget = allowed.get(case)
        over = [f"{counts[c]:.1f} {c} (budget {budget[c]:g})" for c, times in COLUMNS.items()
                if budget and counts[c] > max(budget[c] * times, budget[c] + LEAST[c])]
        if not budget or over:
            failed += 1
            print(f"FAIL {name}: {', '.join(over) or 'no budget'}")
        else:
            print(f"ok {name}: " + ", ".join(f"{shown(counts, c)} {c.replace('_', ' ')}" for c in COLUMNS))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

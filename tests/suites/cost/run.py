#!/usr/bin/env python3
"""Counts what a statement costs in the proxy, under callgrind: instructions, cache misses, allocations, atomic
instructions on memory that threads share, and clock reads. The sessions are in memory (src/session/tests/cost.rs), so
the system's part is not counted. The counts must not exceed tests/suites/cost/budgets.tsv.

usage: tests/suites/cost/run.py            compares the counts with the budgets
       tests/suites/cost/run.py --short    compares what does not depend on optimization, with the program of `cargo test`:
                                    allocations and clock reads of a few cases
       tests/suites/cost/run.py --write    writes the counts as the budgets; say in the commit why they grew
       tests/suites/cost/run.py --only CASE  e.g. "text strong 16"; shows where the instructions go (callgrind_annotate)
       tests/suites/cost/run.py --where allocations|atomics|clock_reads CASE  lists the functions
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

from dump import Dump, Program, essence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUDGETS = os.path.join(ROOT, "tests", "suites", "cost", "budgets.tsv")
TEST = "session::tests::cost::every_case_gets_its_answers"
CASES = ["text", "prepared", "row", "write", "transaction", "mixed"]
LEVELS = ["eventual", "strong"]
# How many statements each of so many sessions says.
SESSIONS = {1: 400, 16: 40, 200: 8, 1000: 4}
# A thousand sessions take more than a minute for each case, even though their logins run without counting. So they say
# point selects only.
CROWD, CROWD_CASES = 1000, ["text", "prepared"]
# The caches of a common server core, so that the counts are the same on all machines: first level 32 KiB, last 8 MiB.
CACHES = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"]
# The columns of the budgets, and by how much a count may exceed its budget. The hash tables' random keys make the
# counts of two runs differ by less than this.
COLUMNS = {"instructions": 1.03, "first_level_misses": 1.15, "last_level_misses": 1.5,
           "allocations": 1.05, "atomics": 1.05, "clock_reads": 1.05}
# Differences below these do not count: few events have a large relative noise.
LEAST = {"instructions": 50, "first_level_misses": 3, "last_level_misses": 2, "allocations": 0.1, "atomics": 0.1,
         "clock_reads": 0.1}
# What allocates, in Rust's programs: what is freed was allocated before.
ALLOCATES = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"]
# What reads the clock. The clock of the test stands still, and tokio reads it without the system.
READS_CLOCK = ["tokio::time::clock::Clock::now", "clock_gettime"]
# Atomic instructions of these functions are counted apart, because other threads do not touch that memory while
# statements run, so that no core ever waits for its cache line:
# - the state, the reference count and the wakers of a task of tokio, which stays on the thread that spawned it;
# - the handle and the timers of a worker's runtime, which has one thread;
# - `AtomicWaker` and `Notify`, with which sessions and tasks of one worker wake each other;
# - the clock that tests can stop: a release reads the system's clock without these instructions.
OWN_THREAD = re.compile(r"\btokio::(runtime|task|time|sync::task|sync::notify)::|\bcurrent_thread::Handle\b")
# The cases of `--short`, by the number of sessions.
SHORT = {1: ["text", "prepared", "write", "transaction"], 16: ["text", "prepared"]}
# How many callers callgrind writes down of a call that is counted.
CALLERS = 12


def test_binary(*options):
    """Builds the unit tests of the proxy's own package, not those of the crates below it. Returns the path."""
    command = ["cargo", "test", "--locked", "--package=pointsman", *options, "--lib", "--no-run",
               "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    (binary,) = [m["executable"] for m in messages if m.get("executable")]
    return binary


def dumps(binary, cases, options, keep=None):
    """Runs the cases. Yields the dump of each."""
    with tempfile.TemporaryDirectory() as scratch:
        gate, prefix = f"{scratch}/gate", f"--vgdb-prefix={scratch}/vgdb"
        plays = ",".join(f"{case} {level} {sessions} {SESSIONS[sessions]}" for case, level, sessions in cases)
        command = [
            "valgrind", "--quiet", prefix, "--tool=callgrind", "--instr-atstart=no", "--dump-line=no",
            "--dump-instr=yes", "--toggle-collect=*poll_of_the_proxy*",
            "--dump-before=*session::tests::cost::mark*", *options, f"--callgrind-out-file={scratch}/dump",
            binary, "--exact", TEST, "--test-threads=1"]
        env = {"PATH": os.environ["PATH"], "COST": plays, "COST_GATE": gate}
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as running:
            try:
                for number, case in enumerate(cases):
                    for switch in ["on", "off"]:
                        pass_gate(running, gate, ["vgdb", prefix, f"--pid={running.pid}", "instrumentation", switch])
                    # The third mark of each case ends what counts.
                    path = f"{scratch}/dump.{3 * number + 3}"
                    dump = Dump(path, binary)
                    if keep:
                        os.replace(path, keep)
                    yield case, dump
            except BaseException:
                running.kill()
                raise
        if running.returncode:
            raise RuntimeError(f"{TEST} failed under callgrind; without: cargo test --lib {TEST}")


def pass_gate(running, gate, command):
    """Switches callgrind's counting when the test waits for that."""
    while not os.path.exists(gate):
        if running.poll() is not None:
            raise RuntimeError(f"{TEST} ended before all cases; without callgrind: cargo test --lib {TEST}")
        time.sleep(0.02)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    os.remove(gate)


def atomics(program, dump):
    """Returns how often each atomic instruction ran that is on memory which threads share, and of the others."""
    ran = {address: dump.ran[address] for address in program.atomics & dump.ran.keys()}
    frames = program.frames(ran)
    own = {address for address in ran if any(OWN_THREAD.search(frame) for frame in frames[address])}
    return Counter({a: n for a, n in ran.items() if a not in own}), Counter({a: ran[a] for a in own})


def calls(dump, functions):
    """Returns how often each of these functions began, by name and callers."""
    return Counter({name: n for name, n in dump.began.items() if n and name.split("'")[0] in functions})


def count(program, cases):
    """Runs the cases. Yields the counts of each for one statement."""
    for (case, level, sessions), dump in dumps(program.path, cases, CACHES):
        sums, statements = dump.sums, sessions * SESSIONS[sessions]
        counts = {
            "instructions": sums["Ir"],
            "first_level_misses": sums["I1mr"] + sums["D1mr"] + sums["D1mw"],
            "last_level_misses": sums["ILmr"] + sums["DLmr"] + sums["DLmw"],
            "allocations": calls(dump, ALLOCATES).total(),
            "atomics": atomics(program, dump)[0].total(),
            "clock_reads": calls(dump, READS_CLOCK).total(),
        }
        yield (case, level, sessions), {column: n / statements for column, n in counts.items()}


def callers_of(functions):
    """Returns the options with which callgrind writes the callers behind the name of each of these functions."""
    return [f"--separate-callers{CALLERS}={name}" for name in functions]


def count_calls(binary, cases):
    """Runs the cases without optimization. Yields the counts of each for one statement."""
    for (case, level, sessions), dump in dumps(binary, cases, []):
        counts = {"allocations": calls(dump, ALLOCATES).total(), "clock_reads": calls(dump, READS_CLOCK).total()}
        yield (case, level, sessions), {column: n / (sessions * SESSIONS[sessions]) for column, n in counts.items()}


def where(program, column, case):
    """Prints which functions allocate, read the clock, or execute atomic instructions."""
    statements = case[2] * SESSIONS[case[2]]
    functions = {"allocations": ALLOCATES, "clock_reads": READS_CLOCK}.get(column, [])
    for _, dump in dumps(program.path, [case], callers_of(functions)):
        if column == "atomics":
            shared, own = atomics(program, dump)
            for title, found in [("on memory that threads share", shared), ("on the thread's own memory", own)]:
                print(f"{found.total() / statements:.2f} {title}")
                chains = Counter()
                for address, n in found.items():
                    chains[" < ".join(essence(program.frames([address])[address]))] += n
                show(chains, statements)
        else:
            chains = Counter()
            for name, n in calls(dump, functions).items():
                chains[" < ".join(essence(name.split("'")))] += n
            show(chains, statements)


def show(chains, statements):
    for chain, n in chains.most_common():
        print(f"  {n / statements:.3f} {chain}")


def budgets():
    with open(BUDGETS, encoding="utf-8") as table:
        head, *rows = [line.rstrip("\n").split("\t") for line in table if not line.startswith("#")]
    expected = ["case", "level", "sessions", *COLUMNS]
    for row in [head, *rows]:
        if len(row) != len(expected) or (row is head and row != expected):
            raise SystemExit(f"FAIL {BUDGETS}: {row} has not the columns {expected}; run.py --write writes all of them")
    return {
        (case, level, int(sessions)): dict(zip(COLUMNS, map(float, rest))) for case, level, sessions, *rest in rows
    }


def shown(counts, column):
    return f"{counts[column]:.{0 if column == 'instructions' else 1}f}"


def write(found):
    with open(BUDGETS, "w", encoding="utf-8") as table:
        table.write("# What one statement may cost in the proxy; see tests/suites/cost/run.py. ")
        table.write("A commit that raises a figure says why.\n")
        table.write("\t".join(["case", "level", "sessions", *COLUMNS]) + "\n")
        for (case, level, sessions), counts in found:
            fields = [case, level, str(sessions), *(shown(counts, c) for c in COLUMNS)]
            table.write("\t".join(fields) + "\n")


def compare(found):
    """Prints a line for each case. Returns how many cases exceed their budgets."""
    allowed, failed = budgets(), 0
    for case, counts in found:
        name = "{}, {}, {} sessions".format(*case)
        budget = allowed.get(case)
        over = [f"{counts[c]:.1f} {c} (budget {budget[c]:g})" for c, times in COLUMNS.items()
                if budget and c in counts and counts[c] > max(budget[c] * times, budget[c] + LEAST[c])]
        if not budget or over:
            failed += 1
            print(f"FAIL {name}: {', '.join(over) or 'no budget'}", flush=True)
        else:
            print(f"ok {name}: " + ", ".join(f"{shown(counts, c)} {c.replace('_', ' ')}" for c in counts), flush=True)
    return failed


def case_of(text):
    case, level, sessions = text.split()
    return case, level, int(sessions)


def main():
    # The program under callgrind waits for this one, and would not end by itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("FAIL ended by SIGTERM"))
    cases = [(case, level, sessions) for sessions in SESSIONS for case in CASES for level in LEVELS
             if sessions != CROWD or case in CROWD_CASES]
    if sys.argv[1:] == ["--short"]:
        return compare(count_calls(test_binary(), [case for case in cases if case[0] in SHORT.get(case[2], [])])) > 0
    program = Program(test_binary("--profile=counted"))
    match sys.argv[1:]:
        case []:
            return compare(count(program, cases)) > 0
        case ["--write"]:
            return write(list(count(program, cases)))
        case ["--only", wanted]:
            kept = os.path.join(tempfile.gettempdir(), "pointsman-cost.callgrind")
            for _, dump in dumps(program.path, [case_of(wanted)], CACHES, keep=kept):
                print(dump.sums, flush=True)
            annotate = ["callgrind_annotate", "--inclusive=yes", "--tree=none", "--show=Ir", "--auto=no", kept]
            os.execvp(annotate[0], annotate)
        case ["--where", column, wanted] if column in list(COLUMNS)[3:]:
            return where(program, column, case_of(wanted))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main())

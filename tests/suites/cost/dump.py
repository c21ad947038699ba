"""Reads a dump of callgrind (--dump-instr=yes), and says where in the program something happened."""
import re
import subprocess
from collections import Counter

# An exchange with memory is atomic without the prefix.
ATOMIC = re.compile(r"\tlock |\txchg .*\(")
# Frames of the standard library that say nothing about who needed the allocation or the atomic.
PLUMBING = re.compile(r"^<?(core|alloc|std|hashbrown|__rust|__rustc|__rdl|malloc|calloc|realloc|posix_memalign)\b")


def moved(address, position):
    """Reads an address: hexadecimal, or as the decimal distance from the one before it."""
    if position[0] in "+-":
        return address + int(position)
    return address if position == "*" else int(position, 16)


class Dump:
    """What ran between two marks."""

    def __init__(self, path, program):
        # The events' sums, by the events' names.
        self.sums = {}
        # How often each instruction of the program ran, by its address.
        self.ran = Counter()
        # How often each function began, by its name and, if callgrind was asked for them, its callers. Callgrind's own
        # number of calls includes those outside of what it collects.
        self.began = Counter()
        with open(path, encoding="utf-8", errors="replace") as lines:
            self._read(lines, program)

    def _read(self, lines, program):
        events, totals = [], []
        names, here, function, callee, address, is_call = {}, False, "", "", 0, False
        ran, entries = Counter(), set()

        def named(text):
            """Callgrind writes a name once, and then its number."""
            kind, _, value = text.rstrip("\n").partition("=")
            number, _, name = value.partition(" ")
            kind = kind[-2:]
            if name:
                names[kind, number] = name
            return names.get((kind, number), number)

        for line in lines:
            if line.startswith("ob="):
                here = named(line) == program
            elif line.startswith("cob="):
                named(line)
            elif line.startswith("fn="):
                function = named(line)
            elif line.startswith("cfn="):
                callee = named(line)
            elif line.startswith("calls="):
                entries.add((callee, moved(address, line.split()[1])))
                is_call = True
            elif line[0] in "+-*" or line.startswith("0x"):
                position, *costs = line.split()
                address = moved(address, position)
                # The line behind a call has what the function cost that was called.
                if not is_call and costs:
                    ran[function, address] += int(costs[0])
                    if here:
                        self.ran[address] += int(costs[0])
                is_call = False
            elif line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith(("summary:", "totals:")):
                totals = [int(n) for n in line.split()[1:]] or totals
        for function, address in entries:
            self.began[function] += ran[function, address]
        # Zeros at the end are left out.
        self.sums = dict.fromkeys(events, 0) | dict(zip(events, totals))


class Program:
    """The program of the dumps."""

    def __init__(self, path):
        self.path = path
        self.atomics = set()
        self._frames = {}
        command = ["objdump", "--disassemble", "--no-show-raw-insn", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as listing:
            for line in listing.stdout:
                if ATOMIC.search(line):
                    self.atomics.add(int(line.partition(":")[0], 16))

    def frames(self, addresses):
        """Returns the functions at each address: the innermost inlined function first."""
        new = [address for address in addresses if address not in self._frames]
        if new:
            command = ["addr2line", "--addresses", "--demangle", "--functions", "--inlines", f"--exe={self.path}"]
            asked = "\n".join(map(hex, new))
            done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
            for line in done.stdout.splitlines():
                if line.startswith("0x"):
                    frames = self._frames[int(line, 16)] = []
                    is_function = True
                    continue
                if is_function:
                    frames.append(line)
                is_function = not is_function
        return {address: self._frames[address] for address in addresses}


def essence(frames):
    """Leaves out the frames of the standard library at the innermost end, but for the last of them."""
    first = next((n for n, frame in enumerate(frames) if not PLUMBING.match(frame)), len(frames) - 1)
    return frames[max(first - 1, 0):]

"""Code that every Python client program shares: settings from the environment, checks with a reason, one line per feature."""

import os
import signal
import sys
import time
import traceback
import zlib

HOST = os.environ.get("PM_HOST", "127.0.0.1")
PORT = int(os.environ.get("PM_PORT", "3306"))
USER = os.environ.get("PM_USER", "app")
PASSWORD = os.environ.get("PM_PASSWORD", "app")
DATABASE = os.environ.get("PM_DATABASE", "test")
FLAVOR = os.environ.get("PM_FLAVOR", "mariadb")
# Encrypted, without a check of the certificate.
TLS = os.environ.get("PM_TLS") == "1"
SHARED = os.environ.get("PM_SHARED", os.path.join(os.path.dirname(__file__), "..", "shared"))
LOAD_FILE = os.environ.get("PM_LOAD_FILE", "")
FEATURE_SECONDS = int(os.environ.get("PM_FEATURE_SECONDS", "120"))

BIG_COUNT, BIG_SUM, BIG_CRC = 200_000, 19_999_900_000, 429_438_619_651_349
LOAD_COUNT, LOAD_SUM, LOAD_NULLS, LOAD_VALUES = 10_000, 50_005_000, 1_000, 90_000_000
MIB = 1024 * 1024
# SQL text lengths whose COM_QUERY payload (one byte more) is just under, exactly at and just over one packet.
EDGE_TEXT = (0xFFFFFF - 2, 0xFFFFFF - 1, 0xFFFFFF)
# String lengths whose row (4 or 9 bytes of length in front) is just under, exactly at and just over one packet.
EDGE_ROW = (0xFFFFFF - 5, 0xFFFFFF - 4, 0xFFFFFF - 3, 0x1000000)


class Mismatch(Exception):
    """A check that did not hold; its text says what was expected and what came."""


class Skip(Exception):
    """This client or server has no such feature; the text says why."""


def short(value, limit=160):
    """A value for a reason text: one line, never a 20 MiB one."""
    text = repr(value[:limit] if isinstance(value, (bytes, bytearray, str)) else value)
    text = text.replace("\n", " ")
    size = f" ({len(value)} long)" if isinstance(value, (bytes, bytearray, str)) and len(value) > limit else ""
    return (text if len(text) <= limit else text[:limit] + "…") + size


def eq(what, want, got):
    if want != got:
        raise Mismatch(f"{what}: expected {short(want)}, got {short(got)}")


def ok(what, holds, got=None):
    if not holds:
        raise Mismatch(f"{what}: does not hold, got {short(got)}")


def fails(what, codes, call):
    """`call` must fail with one of `codes` (an int or a tuple); the message comes back."""
    codes = codes if isinstance(codes, tuple) else (codes,)
    try:
        result = call()
    except Mismatch:
        raise
    except Exception as error:  # every driver has its own tree of classes
        code = getattr(error, "errno", None) or (error.args[0] if error.args else None)
        if code not in codes:
            raise Mismatch(f"{what}: expected error {codes}, got {short(error)}") from error
        return str(error)
    raise Mismatch(f"{what}: expected error {codes}, got the result {short(result)}")


def shared_sql(name, table=""):
    with open(os.path.join(SHARED, name), encoding="utf-8") as file:
        return file.read().strip().replace("{t}", table)


def pattern(size, seed=0):
    """Bytes in which a shift, a swap or a cut shows: a counter every 16 bytes, all byte values."""
    block = bytes((i * 7 + seed) & 0xFF for i in range(4096))
    out = bytearray(block * (size // 4096 + 1))[:size]
    for at in range(0, size - 8, 65536):
        out[at : at + 8] = at.to_bytes(8, "big")
    return bytes(out)


def letters(size):
    """As `pattern`, but only what needs no escaping in a string literal."""
    head = "".join(f"{n:08d}abcdefgh" for n in range(min(size // 16 + 1, 65536)))
    return (head * (size // len(head) + 1))[:size]


def check_big(rows):
    """Rows of shared/big.sql as (int, str); returns nothing, or fails with what differs."""
    count = total = crc = 0
    for n, payload in rows:
        count += 1
        total += n
        crc += zlib.crc32(f"{n}:{payload}".encode())
    eq("rows, sum, checksum of the big result", (BIG_COUNT, BIG_SUM, BIG_CRC), (count, total, crc))


class Suite:
    def __init__(self, client):
        self.client = client
        self.features = []
        self.undo = []

    def feature(self, function):
        self.features.append((function.__name__.rstrip("_"), function))
        return function

    def has_not(self, name, why):
        def none():
            raise Skip(why)

        self.features.append((name, none))

    def run(self):
        only = set(filter(None, os.environ.get("PM_FEATURES", "").split(",")))
        failed = False
        for name, function in self.features:
            if not only or name in only:
                failed |= not self.run_one(name, function)
        sys.exit(1 if failed else 0)

    def run_one(self, name, function):
        def late(_signal, _frame):
            raise Mismatch(f"no end after {FEATURE_SECONDS} s")

        signal.signal(signal.SIGALRM, late)
        signal.alarm(FEATURE_SECONDS)
        began = time.monotonic()
        good = True

        def took():
            return f"{int((time.monotonic() - began) * 1000)}ms"

        try:
            note = function()
            line = f"ok {self.client} {name} {took()}" + (f" ({note})" if note else "")
        except Skip as why:
            line = f"skip {self.client} {name} {why}"
        except Exception as error:
            good = False
            kind = "" if isinstance(error, Mismatch) else f"{type(error).__name__}: "
            line = f"FAIL {self.client} {name} {kind}{' '.join(str(error).split())[:600]} [{took()}]"
            if os.environ.get("PM_VERBOSE"):
                traceback.print_exc()
        finally:
            signal.alarm(0)
        print(line, flush=True)
        return good

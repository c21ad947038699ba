"""What the Python applications share: settings from the environment, one line per check, phases with their times."""

import os
import subprocess
import sys
import threading
import time
import traceback

HOST = os.environ.get("PM_HOST", "127.0.0.1")
RW = int(os.environ.get("PM_RW", "3306"))
USER = os.environ.get("PM_USER", "app")
PASSWORD = os.environ.get("PM_PASSWORD", "app")
DATABASE = os.environ.get("PM_DATABASE", "sbtest")
ROUNDS = int(os.environ.get("PM_ROUNDS", "60"))
THREADS = 4
# "session": only what a session wrote itself is sure to be in its reads.
STRONG = os.environ.get("PM_CONSISTENCY", "session") == "strong"

CUSTOMERS, ORDERS_EACH = 50, 10
STATUSES = ("new", "paid", "sent")
COUNTS = {"new": 150, "paid": 200, "sent": 150}


def total_of(customer, order):
    """What order number `order` (1 … 10) of customer number `customer` (1 … 50) costs, in hundredths."""
    return (customer * 10 + order) * 100 + 50


def paid_page(page):
    """Ten (customer number, total in hundredths) of the paid orders, dearest first."""
    places = range(page * 10, page * 10 + 10)
    return [(50 - p // 4, total_of(50 - p // 4, (10, 7, 4, 1)[p % 4])) for p in places]


def eq(what, want, got):
    if want != got:
        raise AssertionError(f"{what}: expected {want!r}, got {got!r}")


def fails(what, kind, call):
    """`call` must raise an error of class `kind`; it comes back."""
    try:
        result = call()
    except kind as error:
        return error
    raise AssertionError(f"{what}: expected {kind.__name__}, got the result {result!r}")


def catch_up():
    """Returns when the replicas have all writes and the proxy knows."""
    command = os.environ.get("PM_CATCH_UP", "sleep 1.5")
    done = subprocess.run(command, shell=True, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(f"the replicas did not catch up: {done.stderr.decode(errors='replace')}")


def in_threads(count, work):
    """Runs work(0) … work(count - 1) at once; the first error is raised here."""
    errors = []

    def one(number):
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  whatever it is, the check has failed
            errors.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not STRONG:
        catch_up()  # what follows may be another session
    if errors:
        raise errors[0]


def phase(name, reads, work):
    """Runs work() when replicas can serve it and says when it began and ended and how many reads it sent."""
    catch_up()
    began = time.time()
    work()
    ended = time.time()
    time.sleep(0.05)
    print(f"phase {name} {began:.6f} {ended:.6f} {reads}", flush=True)


def run(app, checks):
    """Runs (name, function) pairs in their order and ends the process."""
    failed = False
    for name, check in checks:
        began = time.monotonic()
        try:
            check()
            print(f"ok {app} {name} {(time.monotonic() - began) * 1000:.0f}ms", flush=True)
        except Exception as error:  # every framework has its own tree of classes
            failed = True
            if os.environ.get("PM_VERBOSE"):
                traceback.print_exc()
            text = " ".join(str(error).split())[:400]
            print(f"FAIL {app} {name} {type(error).__name__}: {text}", flush=True)
    sys.exit(1 if failed else 0)

"""Measures what readers of /tap, the statements as they end, cost: nobody reads, somebody reads everything, somebody hardly
reads. The part `tap` of run.sh."""
import contextlib
import os
import socket
import subprocess
import threading

from levels import figure, labelled, sysbench
from targets import cpu_seconds, pointsman

READERS = ["nobody", "fast", "slow"]


@contextlib.contextmanager
def nobody(_):
    yield


@contextlib.contextmanager
def fast(target):
    url = f"http://127.0.0.1:{target.http}/tap"
    curl = subprocess.Popen(["curl", "-sSN", "-o", os.devnull, url], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        curl.kill()
        curl.wait()


@contextlib.contextmanager
def slow(target):
    """Takes 4 KiB a second, some ten statements."""
    with socket.create_connection(("127.0.0.1", target.http)) as reader:
        # A small window, so that the kernels do not take megabytes in its place.
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sendall(b"GET /tap HTTP/1.1\r\nHost: x\r\n\r\n")
        ended = threading.Event()

        def read():
            while not ended.wait(1):
                reader.recv(4096)

        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield
        finally:
            ended.set()
            reading.join()


def one_round(target, reader, seconds):
    before = labelled(target, "pointsman_stream_dropped_total", 'reader="tap"')
    with {"nobody": nobody, "fast": fast, "slow": slow}[reader](target):
        used = cpu_seconds(target.pid)
        out = sysbench(target.port, "oltp_point_select", 16, seconds, "--percentile=99")
        used = cpu_seconds(target.pid) - used
    queries = figure(out, "queries:", 0)
    return {"qps": figure(out, "queries:", 1), "cpu": used / queries * 1e6, "p99": figure(out, "99th percentile:", 0),
            "dropped": (labelled(target, "pointsman_stream_dropped_total", 'reader="tap"') - before) / queries}


def measure(cluster, settings, say):
    target = pointsman("split", cluster, 0, '[consistency]\nlevel = "eventual"\n')
    rounds = {reader: [] for reader in READERS}
    try:
        for at in range(settings["rounds"]):
            for reader in READERS[::-1 if at % 2 else 1]:
                rounds[reader].append(one_round(target, reader, settings["secs"]))
    finally:
        target.stop()
    for reader, seen in rounds.items():
        say(f"  {reader}: " + ", ".join(f"{r['qps']:.0f}/s {r['cpu']:.1f} µs p99 {r['p99']} ms" for r in seen))
    return rounds

#!/usr/bin/env python3
"""What open pages cost: the CPU time of a running proxy with 0 readers of /events and with many.

usage: pages.py URL PID [READERS [SECONDS]]    e.g. pages.py http://127.0.0.1:9090 $(pidof pointsman) 100 30
Prints the share of a core that the process and its HTTP thread used, and the bytes that each reader got a second.
"""

import os
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """Seconds of CPU time of the process, and of its thread `http`."""
    def seconds(path):
        with open(path, encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    threads = f"/proc/{pid}/task"
    http = 0.0
    for thread in os.listdir(threads):
        with open(f"{threads}/{thread}/comm", encoding="ascii") as file:
            if file.read().strip() == "http":
                http += seconds(f"{threads}/{thread}/stat")
    return seconds(f"/proc/{pid}/stat"), http


def measure(pid, readers, span):
    """Reads from all readers for `span` seconds."""
    selector = selectors.DefaultSelector()
    for reader in readers:
        reader.setblocking(False)
        selector.register(reader, selectors.EVENT_READ)
    began, before, read = time.monotonic(), cpu(pid), 0
    while (left := began + span - time.monotonic()) > 0:
        # Without readers there is nothing to select.
        for key, _ in selector.select(left) if readers else (time.sleep(left) or []):
            part = key.fileobj.recv(1 << 18)
            if not part:
                sys.exit("the proxy closed a reader's connection")
            read += len(part)
    after, took = cpu(pid), time.monotonic() - began
    process, http = ((b - a) / took * 100 for a, b in zip(before, after))
    each = read / took / max(1, len(readers))
    print(f"{len(readers):4} readers: process {process:.2f} % of a core, its HTTP thread {http:.2f} %, "
          f"{each:.0f} bytes/s each", flush=True)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    url, pid = urlsplit(sys.argv[1]), int(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    span = float(sys.argv[4]) if len(sys.argv) > 4 else 30
    measure(pid, [], span)
    readers = []
    for _ in range(count):
        reader = socket.create_connection((url.hostname, url.port or 9090))
        reader.sendall(f"GET /events HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        readers.append(reader)
    time.sleep(2)
    measure(pid, readers, span)


if __name__ == "__main__":
    main()

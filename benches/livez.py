#!/usr/bin/env python3
"""Measures how long a kubelet's probe waits at the HTTP port while other clients hold connections there.

usage: livez.py PORT [--held 1000] [--probes 200] [--path /livez]

For each kind of held connection (idle, half-sent heads, bodies that never come, kept connections, slow readers of
/metrics, half TLS handshakes, and a flood of readers of /metrics) the script holds that many at a time and sends probes
one after the other, each on a connection of its own as the kubelet does. It prints the median, the 99th percentile and
the longest of them in milliseconds. A proxy needs no servers for it: `pointsman run` with any configuration will do.
"""

import argparse
import socket
import statistics
import sys
import threading
import time

HALF_HELLO = bytes([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])
KINDS = {
    "nobody": None,
    "idle": (b"", 0),
    "half-sent heads": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-A: ", 0),
    "bodies that never come": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", 0),
    "kept connections": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "slow readers": (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "half TLS handshakes": (HALF_HELLO, 0),
}


def hold(port, number, send, read):
    held = []
    for _ in range(number):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        # A port that lets the next one wait does not answer in time: that is what is measured below.
        s.settimeout(0.2)
        try:
            s.connect(("127.0.0.1", port))
            s.sendall(send)
            if read:
                s.recv(read)
        except OSError:
            pass
        held.append(s)
    return held


def probe(port, path):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := s.recv(65536):
            answer += more
    if not answer.startswith(b"HTTP/1.1 200") and path == "/livez":
        sys.exit(f"{path} answers {answer[:60]!r}")
    return (time.monotonic() - began) * 1000


def flood(port, stop):
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    while not stop.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.sendall(request)
                while s.recv(65536):
                    pass
        except OSError:
            pass


def measure(what, port, path, probes):
    times = sorted(probe(port, path) for _ in range(probes))
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    print(f"{what:24} median {statistics.median(times):8.2f} ms   p99 {p99:8.2f} ms   longest {times[-1]:8.2f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--held", type=int, default=1000)
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--path", default="/livez")
    options = parser.parse_args()
    for what, kind in KINDS.items():
        held = hold(options.port, options.held, *kind) if kind else []
        measure(what, options.port, options.path, options.probes)
        for s in held:
            s.close()
    stop = threading.Event()
    readers = [threading.Thread(target=flood, args=(options.port, stop)) for _ in range(16)]
    for reader in readers:
        reader.start()
    measure("a flood of readers", options.port, options.path, options.probes)
    stop.set()
    for reader in readers:
        reader.join()


if __name__ == "__main__":
    main()

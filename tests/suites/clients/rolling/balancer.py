"""One address in front of several proxies, like a Kubernetes Service: a new connection goes to a proxy that is
ready, and stays there. Bytes that a proxy sends together with the end of the connection arrive together with it: a Service forwards packets."""

import random
import select
import socket
import threading
import urllib.request

CHUNK = 1 << 16


class Side:
    """One socket of a pair, and what is still to be written to it."""

    def __init__(self, sock):
        self.sock, self.pending, self.ending, self.other = sock, b"", False, None


class Balancer:
    """Runs in threads of its own until the process ends."""

    def __init__(self, backends):
        """`backends`: (port, port of /readyz) of each proxy on this machine."""
        self.backends, self.ready, self.refused = backends, set(), []
        self.epoll, self.sides = select.epoll(), {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        for work in (self.accept, self.relay, *[lambda b=b: self.watch(*b) for b in backends]):
            threading.Thread(target=work, daemon=True).start()

    def watch(self, port, http):
        pause = threading.Event()
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz", timeout=2) as answer:
                    ready = answer.status == 200
            except OSError:
                ready = False
            (self.ready.add if ready else self.ready.discard)(port)
            pause.wait(0.1)

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                port = random.choice(sorted(self.ready))
                self.join(client, socket.create_connection(("127.0.0.1", port), timeout=5))
            except (IndexError, OSError) as error:
                # A Service would not try another one either.
                self.refused.append(f"a new connection: {error}")
                client.close()

    def join(self, client, proxy):
        sides = [Side(client), Side(proxy)]
        for side, other in (sides, sides[::-1]):
            side.other = other
            side.sock.setblocking(False)
            side.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sides[side.sock.fileno()] = side
        for side in sides:
            self.epoll.register(side.sock.fileno(), select.EPOLLIN)

    def relay(self):
        while True:
            for number, events in self.epoll.poll():
                side = self.sides.get(number)
                if side is None:
                    continue
                try:
                    if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                        self.read(side)
                    if events & select.EPOLLOUT:
                        self.write(side)
                except BlockingIOError:
                    pass
                except OSError:
                    self.reset(side)

    def read(self, side):
        """All that is there, and whether that is the end, before any of it goes on."""
        to, ended = side.other, False
        while len(to.pending) < 4 * CHUNK:
            try:
                got = side.sock.recv(CHUNK)
            except BlockingIOError:
                break
            if not got:
                ended = True
                break
            to.pending += got
        if ended:
            to.ending = True
            self.epoll.modify(side.sock.fileno(), 0)
        self.write(to)

    def write(self, to):
        while to.pending:
            try:
                # Held back if the end follows, which then leaves in the same packet.
                sent = to.sock.send(to.pending, socket.MSG_MORE if to.ending else 0)
            except BlockingIOError:
                self.epoll.modify(to.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
                return
            to.pending = to.pending[sent:]
        if not to.ending:
            self.epoll.modify(to.sock.fileno(), select.EPOLLIN)
            return
        to.sock.shutdown(socket.SHUT_WR)
        if to.other.ending:
            self.close(to)

    def reset(self, side):
        """Broken on one side is broken on the other."""
        for one in (side, side.other):
            one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close(side)

    def close(self, side):
        for one in (side, side.other):
            self.sides.pop(one.sock.fileno(), None)
            one.sock.close()

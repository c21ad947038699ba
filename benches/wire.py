"""A MySQL client of a few lines for the benchmark: login, also over TLS, text queries, affected errors. Native password
and caching_sha2_password; the latter's full exchange only over TLS."""
import hashlib
import socket
import struct

SSL = 0x800  # CLIENT_SSL


class ServerError(Exception):
    """An ERR packet: the connection stays usable."""

    def __init__(self, packet):
        self.code = struct.unpack_from("<H", packet, 1)[0]
        text = packet[3:].decode(errors="replace")
        self.state = text[1:6] if text.startswith("#") else ""
        super().__init__(f"{self.code} {text}")


def _scramble(digest, password, outer):
    a = digest(password).digest()
    return bytes(x ^ y for x, y in zip(a, digest(outer(a)).digest()))


def answer(plugin, password, salt):
    if plugin == b"caching_sha2_password":
        sha = hashlib.sha256
        return _scramble(sha, password, lambda a: sha(a).digest() + salt)
    sha = hashlib.sha1
    return _scramble(sha, password, lambda a: salt + sha(a).digest())


class Connection:
    """`tls`: an ssl.SSLContext; `session`: what an earlier connection had in `self.sock.session`, to be resumed."""

    def __init__(self, port, user="app", password="app", schema="", timeout=60, tls=None, session=None,
                 host="127.0.0.1"):
        self.tls, self.session = tls, session
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seq = 0
        try:
            self._login(user.encode(), password.encode(), schema.encode())
        except BaseException:
            self.close()
            raise

    def close(self):
        self.sock.close()

    def quit(self):
        self.seq = 0
        self.write(b"\x01")
        self.close()

    def _exactly(self, n):
        parts = bytearray()
        while len(parts) < n:
            part = self.sock.recv(n - len(parts))
            if not part:
                raise ConnectionError("closed by the peer")
            parts += part
        return bytes(parts)

    def read(self):
        head = self._exactly(4)
        self.seq = (head[3] + 1) & 255
        return self._exactly(int.from_bytes(head[:3], "little"))

    def write(self, payload):
        self.sock.sendall(len(payload).to_bytes(3, "little") + bytes([self.seq]) + payload)
        self.seq = (self.seq + 1) & 255

    def _login(self, user, password, schema):
        greeting = self.read()
        if greeting[0] == 0xFF:
            raise ServerError(greeting)
        at = greeting.index(b"\0", 1) + 1
        salt = greeting[at + 4:at + 12] + greeting[at + 31:at + 43]
        plugin = greeting[at + 44:].split(b"\0")[0] or b"mysql_native_password"
        proof = answer(plugin, password, salt)
        flags = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000 | 0x20000 | (0x8 if schema else 0)
        if self.tls:
            flags |= SSL
            self.write(struct.pack("<IIB23x", flags, 1 << 24, 45))
            self.sock = self.tls.wrap_socket(self.sock, session=self.session)
        self.write(struct.pack("<IIB23x", flags, 1 << 24, 45) + user + b"\0" + bytes([len(proof)]) + proof
                   + (schema + b"\0" if schema else b"") + plugin + b"\0")
        while True:
            packet = self.read()
            if packet[0] == 0:
                return
            if packet[0] == 0xFF:
                raise ServerError(packet)
            if packet[0] == 0xFE:
                plugin, salt = packet[1:].split(b"\0", 1)
                self.write(answer(plugin, password, salt[:20]))
            elif packet == b"\x01\x04" and self.tls:
                self.write(password + b"\0")
            elif packet != b"\x01\x03":
                raise ConnectionError(f"{plugin.decode()} wants its full exchange")

    def query(self, text):
        """Rows as lists of bytes or None; [] for an OK packet."""
        self.seq = 0
        self.write(b"\x03" + text.encode())
        packet = self.read()
        if packet[0] == 0xFF:
            raise ServerError(packet)
        if packet[0] == 0:
            return []
        for _ in range(packet[0] + 1):  # columns, EOF
            self.read()
        rows = []
        while True:
            packet = self.read()
            if packet[0] == 0xFF:
                raise ServerError(packet)
            if packet[0] == 0xFE and len(packet) < 9:
                return rows
            rows.append(_row(packet))


def _row(packet):
    values, at = [], 0
    while at < len(packet):
        first = packet[at]
        at += 1
        if first == 0xFB:
            values.append(None)
            continue
        width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
        size = int.from_bytes(packet[at:at + width], "little") if width else first
        at += width
        values.append(packet[at:at + size])
        at += size
    return values

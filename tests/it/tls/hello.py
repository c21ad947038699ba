"""TLS by hand, for scan.py: ClientHellos that no library sends any more, behind MySQL's request for TLS."""
import os
import socket
import struct

# Authenticated encryption with forward secrecy.
AUTHENTICATED = {
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256", 0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xCCA8: "ECDHE-RSA-CHACHA20-POLY1305", 0xCCA9: "ECDHE-ECDSA-CHACHA20-POLY1305",
}
SUITES_13 = [0x1301, 0x1302, 0x1303]
GROUPS = {23: "P-256", 24: "P-384", 25: "P-521", 29: "X25519", 30: "X448", 4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768"}
SIGNATURES = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807]
ALERTS = {0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
          47: "illegal_parameter", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
          80: "internal_error", 86: "inappropriate_fallback", 100: "no_renegotiation", 109: "missing_extension",
          110: "unsupported_extension", 120: "no_application_protocol"}


class Refused(Exception):
    """An alert, or the end of the connection."""


class ServerHello:
    def __init__(self, body):
        self.version, self.random = struct.unpack_from("!H32s", body)
        at = 35 + body[34]
        self.suite, self.compression = struct.unpack_from("!HB", body, at)
        self.extensions, at = {}, at + 5
        while at + 4 <= len(body):
            kind, size = struct.unpack_from("!HH", body, at)
            self.extensions[kind] = body[at + 4:at + 4 + size]
            at += 4 + size

    def __str__(self):
        return f"accepted, version {self.version:#06x}, suite {self.suite:#06x}"


def exactly(sock, count):
    parts = b""
    while len(parts) < count:
        part = sock.recv(count - len(parts))
        if not part:
            raise Refused(f"closed after {len(parts)} bytes" if parts else "closed")
        parts += part
    return parts


def starttls(host, port, timeout):
    """A connection behind its greeting."""
    sock = socket.create_connection((host, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = exactly(sock, 4)
    greeting = exactly(sock, int.from_bytes(head[:3], "little"))
    if greeting[:1] != b"\x0a":
        raise ConnectionError(f"no greeting: {greeting[3:]!r}; scan with limits.max_login_errors = 0")
    return sock


def ssl_request():
    # LONG_PASSWORD, PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH
    return b"\x20\0\0\x01" + struct.pack("<IIB23x", 0x88A01, 1 << 24, 45)


def record(content, kind=22, version=0x0301):
    return struct.pack("!BHH", kind, version, len(content)) + content


def extension(kind, content):
    return struct.pack("!HH", kind, len(content)) + content


def words(values):
    return struct.pack("!H", 2 * len(values)) + b"".join(struct.pack("!H", v) for v in values)


def key_share(shares):
    content = b"".join(struct.pack("!HH", group, len(key)) + key for group, key in shares)
    return extension(0x33, struct.pack("!H", len(content)) + content)


def sni(name):
    return extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name)


def client_hello(version, suites, versions=None, groups=tuple(GROUPS), signatures=tuple(SIGNATURES), shares=None,
                 compression=b"\0", extra=()):
    """In records; `shares`: for X25519 (29) only, whose keys are any 32 bytes."""
    extensions = list(extra)
    # SSLv3 knows none.
    if version > 0x0300:
        extensions += [extension(0x0A, words(groups)), extension(0x0D, words(signatures)), extension(0x0B, b"\x01\x00")]
    if versions:
        extensions.append(extension(0x2B, bytes([2 * len(versions)]) + words(versions)[2:]))
    if shares is not None:
        extensions.append(key_share([(group, os.urandom(32)) for group in shares]))
    tail = b"".join(extensions)
    body = struct.pack("!H", version) + os.urandom(32) + b"\x20" + os.urandom(32) + words(suites)
    body += bytes([len(compression)]) + compression + (struct.pack("!H", len(tail)) + tail if tail else b"")
    return record(b"\x01" + len(body).to_bytes(3, "big") + body, version=min(version, 0x0301))


def sslv2_hello():
    suites = b"\x01\x00\x80\x02\x00\x80\x03\x00\x80\x07\x00\xc0"
    body = b"\x01\x00\x02" + struct.pack("!HHH", len(suites), 0, 16) + suites + os.urandom(16)
    return struct.pack("!H", 0x8000 | len(body)) + body


def to_server_hello(sock):
    """The ServerHello; raises Refused for an alert, the end of the connection, and what is no TLS."""
    try:
        kind, _, size = struct.unpack("!BHH", exactly(sock, 5))
        content = exactly(sock, size)
    except TimeoutError:
        raise ConnectionError("neither an answer nor the end of the connection") from None
    except ConnectionError:
        raise Refused("closed") from None
    if kind == 21:
        raise Refused(ALERTS.get(content[1], f"alert {content[1]}"))
    if kind != 22 or content[0] != 2:
        raise ConnectionError(f"no TLS: {content[:40]!r}")
    return ServerHello(content[4:4 + int.from_bytes(content[1:4], "big")])

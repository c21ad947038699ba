#!/usr/bin/env python3
"""Scans a listener that speaks MySQL's protocol as scanners of TLS do: versions, every cipher suite, key exchange,
compression, renegotiation, early data, tickets, the certificate, and what breaks the protocol.
usage: scan.py --port PORT [--host 127.0.0.1]    one line each, "ok" or "FAIL"; the exit status is 1 if a line says FAIL.
Needs the openssl command, and a proxy with `limits.max_login_errors = 0`: most of a scan are broken handshakes."""
import argparse
import datetime
import os
import re
import ssl
import struct
import subprocess
import sys
import tempfile

from hello import (ALERTS, AUTHENTICATED, GROUPS, SUITES_13, Refused, client_hello, extension, key_share, record, sni,
                   ssl_request, sslv2_hello, starttls, to_server_hello)

# Who neither answers nor closes the connection for this long never will.
PATIENCE = 20
SSLV3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
# TLS_EMPTY_RENEGOTIATION_INFO_SCSV, TLS_FALLBACK_SCSV
SIGNALS = {0x00FF, 0x5600}
# renegotiation_info, extended_master_secret, heartbeat, truncated_hmac, ALPN, supported_versions
RENEGOTIATION, MASTER_SECRET, HEARTBEAT, TRUNCATED, ALPN, VERSIONS = 0xFF01, 0x17, 0x0F, 0x04, 0x10, 0x2B


class Scan:
    def __init__(self, host, port):
        self.host, self.port, self.failures = host, port, 0

    def line(self, good, text):
        self.failures += not good
        print(f"{'ok  ' if good else 'FAIL'} {text}", flush=True)

    def connect(self, timeout=PATIENCE):
        return starttls(self.host, self.port, timeout)

    def offer(self, *args, **more):
        """What a ClientHello gets: a ServerHello, or Refused."""
        with self.connect() as sock:
            sock.sendall(ssl_request() + client_hello(*args, **more))
            try:
                return to_server_hello(sock)
            except Refused as refused:
                return refused

    def accepts(self, text, *args, **more):
        answer = self.offer(*args, **more)
        good = not isinstance(answer, Refused)
        self.line(good, f"{text}" if good else f"{text}: {answer}")
        return answer if good else None

    def refuses(self, text, *args, **more):
        answer = self.offer(*args, **more)
        self.line(isinstance(answer, Refused), f"{text}: {answer}")

    # Versions and ciphers.

    def versions(self):
        every = [s for s in range(0x100) if s not in SIGNALS] + list(range(0xC000, 0xC100)) + list(range(0xCCA0, 0xCCB0))
        with self.connect() as sock:
            sock.sendall(ssl_request() + sslv2_hello())
            try:
                answer = to_server_hello(sock)
            except Refused as refused:
                answer = refused
        self.line(isinstance(answer, Refused), f"SSLv2 is refused: {answer}")
        for name, version in (("SSLv3", SSLV3), ("TLS 1.0", TLS10), ("TLS 1.1", TLS11)):
            self.refuses(f"{name} is refused", version, every)
        self.refuses("TLS 1.1 by supported_versions is refused", TLS12, every, versions=[TLS11, TLS10, SSLV3])
        old = self.accepts("TLS 1.2 is accepted", TLS12, every)
        if old:
            self.line(old.version == TLS12, f"TLS 1.2 is answered by version {old.version:#06x}")
            self.line(old.random.endswith(b"DOWNGRD\x01"), "the answer to TLS 1.2 says that TLS 1.3 was possible")
        new = self.accepts("TLS 1.3 is accepted", TLS12, SUITES_13, versions=[TLS13], shares=[29])
        if new:
            self.line(new.extensions.get(VERSIONS) == b"\x03\x04", "TLS 1.3 is answered by TLS 1.3")
        both = self.offer(TLS12, SUITES_13 + every, versions=[TLS13, TLS12, TLS11, TLS10], shares=[29])
        self.line(not isinstance(both, Refused) and both.extensions.get(VERSIONS) == b"\x03\x04", "TLS 1.3 comes first")
        self.accepts("unknown versions, suites and extensions are ignored", TLS12, [0x0A0A] + SUITES_13,
                     versions=[0x7A7A, 0x0305, TLS13], shares=[29], extra=[extension(0x1A1A, b"x")])

    def accepted(self, suites, **more):
        """Those of the suites that the listener picks, in its order."""
        left, picked = [s for s in suites if s not in SIGNALS], []
        while left:
            answer = self.offer(TLS12, left, **more)
            if isinstance(answer, Refused):
                break
            picked.append(answer.suite)
            left.remove(answer.suite)
        return picked

    def ciphers(self):
        picked = []
        # All that there can be, in hellos that fit into a record.
        for first in range(0, 1 << 16, 4096):
            picked += self.accepted([s for s in range(first, first + 4096) if s >> 8 != 0x13])
        self.line(bool(picked), f"{len(picked)} of all cipher suites are accepted with TLS 1.2")
        for suite in picked:
            name = AUTHENTICATED.get(suite)
            self.line(name is not None, f"TLS 1.2 with {name or f'{suite:#06x}, which has no forward secrecy or is no AEAD'}")
        for group in (range(0x1300, 0x1400), range(0, 0x1300)):
            found = self.accepted(group, versions=[TLS13], shares=[29])
            for suite in found:
                self.line(suite in SUITES_13, f"TLS 1.3 with {suite:#06x}")
            self.line(bool(found) == (group.start == 0x1300), f"{len(found)} suites from {group.start:#06x} on with TLS 1.3")

    def key_exchange(self):
        left, found = [g for g in range(1, 0x1300) if g not in (0x0A0A, 0x1A1A)], []
        # Without a share the answer is a HelloRetryRequest that names the group.
        while left:
            answer = self.offer(TLS12, SUITES_13, versions=[TLS13], groups=left, shares=[])
            if isinstance(answer, Refused):
                break
            found.append(struct.unpack("!H", answer.extensions[0x33][:2])[0])
            left.remove(found[-1])
        self.line(bool(found), f"{len(found)} groups are accepted")
        for group in found:
            self.line(group in GROUPS, f"key exchange with {GROUPS.get(group, f'the weak or unknown group {group}')}")
        ecdhe = list(AUTHENTICATED)
        self.refuses("TLS 1.2 with weak curves only is refused", TLS12, ecdhe, groups=[1, 15, 16, 18, 19, 21, 22])
        self.refuses("signatures with SHA-1 and MD5 only are refused", TLS12, ecdhe, signatures=[0x0201, 0x0203, 0x0101])
        self.refuses("a key of the wrong length is refused", TLS12, SUITES_13, versions=[TLS13], groups=[29],
                     extra=[key_share([(29, b"short")])])
        self.refuses("a key of the order 1 is refused", TLS12, SUITES_13, versions=[TLS13], groups=[29],
                     extra=[key_share([(29, bytes(32))])])

    def extensions(self):
        every = list(AUTHENTICATED)
        answer = self.accepts("deflate beside no compression is accepted", TLS12, every, compression=b"\x01\x00",
                              extra=[extension(RENEGOTIATION, b"\0"), extension(MASTER_SECRET, b""),
                                     extension(HEARTBEAT, b"\x01"), extension(TRUNCATED, b"")])
        if answer:
            self.line(answer.compression == 0, "nothing is compressed")
            self.line(answer.extensions.get(RENEGOTIATION) == b"\0", "secure renegotiation is indicated")
            self.line(MASTER_SECRET in answer.extensions, "the extended master secret is used")
            self.line(HEARTBEAT not in answer.extensions, "no heartbeats")
            self.line(TRUNCATED not in answer.extensions, "no truncated HMAC")
        self.refuses("deflate alone is refused", TLS12, every, compression=b"\x01")
        answer = self.accepts("the signal of secure renegotiation is accepted", TLS12, every + [0x00FF])
        if answer:
            self.line(answer.extensions.get(RENEGOTIATION) == b"\0", "the signal is answered by secure renegotiation")
        names = [b"\x02h2", b"\x05mysql", b"\x08http/1.1"]
        alpn = extension(ALPN, struct.pack("!H", len(b"".join(names))) + b"".join(names))
        for text, extra in [("ALPN", [alpn]), ("the name of another host", [sni(b"another.example")]),
                            ("a name of 250 bytes", [sni(b".".join([b"x" * 49] * 5))])]:
            self.accepts(f"{text} is harmless", TLS12, every, extra=extra)

    # What breaks the protocol.

    def broken(self):
        hello = client_hello(TLS12, SUITES_13, versions=[TLS13], shares=[29])
        bare = hello[5:]
        for text, sent in [
            ("an over-long record is refused", b"\x16\x03\x01\x48\x01" + bytes(300)),
            ("a record of 65,535 bytes is refused", b"\x16\x03\x01\xff\xff"),
            ("a handshake message of 16 MiB is refused", record(b"\x01\xff\xff\xff" + bytes(100)) * 2),
            ("records without content are refused", record(b"") * 40),
            ("data before the handshake is refused", record(b"\x03SELECT 1", kind=23)),
            ("a ChangeCipherSpec before the handshake is refused", record(b"\x01", kind=20) + record(b"\x01", kind=20)),
            ("a ServerHello of the client is refused", record(b"\x02" + bare[1:])),
            ("a heartbeat is refused", record(b"\x01\x40\x00", kind=24)),
            ("an unknown kind of record is refused", record(b"\x01", kind=99)),
            ("a packet in clear text behind the request is refused", b"\x01\0\0\x02\x01"),
            ("a query in clear text behind the request is refused", b"\x09\0\0\0\x03SELECT 1"),
            ("a packet in clear text in front of the ClientHello is refused", b"\x01\0\0\0\x0e" + hello),
            ("HTTP is refused", b"GET / HTTP/1.1\r\n\r\n"),
        ]:
            with self.connect() as sock:
                self.line(*self.is_refused(text, sock, sent))
        with self.connect() as sock:
            # Cut at every byte, into records of their own.
            sock.sendall(ssl_request() + b"".join(record(bare[i:i + 1]) for i in range(len(bare))))
            try:
                to_server_hello(sock)
                self.line(True, "a ClientHello in records of one byte is accepted")
            except Refused as refused:
                self.line(False, f"a ClientHello in records of one byte is accepted: {refused}")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for piece in (1, 7):
                answer = self.talk(version, piece)[0]
                self.line(answer, f"{version.name}: a handshake that comes {piece} bytes at a time is completed")

    @staticmethod
    def is_refused(text, sock, sent):
        """The connection ends, and not a byte of MySQL's protocol came in clear text."""
        came = b""
        try:
            sock.sendall(ssl_request() + sent)
            while part := sock.recv(4096):
                came += part
        except TimeoutError:
            return False, f"{text}: no end of the connection"
        except ConnectionError:
            pass
        alert = came[:1] == b"\x15" and len(came) == 7
        return not came or alert, f"{text}: {ALERTS.get(came[6], came[6]) if alert else came[:40] or 'closed'}"

    # Whole handshakes.

    def talk(self, version, piece=1 << 14, session=None, context=None):
        """A whole handshake and the answer to a login of nobody: whether that is ERROR 1045, the session, and whether
        it was resumed. The client sends so many bytes at a time."""
        if context is None:
            context = self.context(version)
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(coming, going, server_hostname="scan.example", session=session)

        def step(work):
            while True:
                try:
                    result = work()
                except ssl.SSLWantReadError:
                    result = None
                out = going.read()
                for at in range(0, len(out), piece):
                    sock.sendall(out[at:at + piece])
                if result is not None:
                    return result
                part = sock.recv(1 << 14)
                if not part:
                    raise ConnectionError("closed")
                coming.write(part)

        with self.connect() as sock:
            sock.sendall(ssl_request())
            step(lambda: tls.do_handshake() or True)
            login = struct.pack("<IIB23x", 0x88A01, 1 << 24, 45) + b"nobody-scans\0\0mysql_native_password\0"
            packets = b"\x02" + login
            step(lambda: tls.write(len(login).to_bytes(3, "little") + packets))
            answer = step(lambda: tls.read(4096))
            # Nobody has no password: a switch of plugins may come first.
            if answer[4:5] == b"\xfe":
                step(lambda: tls.write(b"\0\0\0" + bytes([answer[3] + 1])))
                answer = step(lambda: tls.read(4096))
            return answer[4:7] == b"\xff\x15\x04", tls.session, tls.session_reused, tls

    @staticmethod
    def context(version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        return context

    def sessions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(version)
            context.set_alpn_protocols(["h2", "mysql"])
            refused, session, reused, tls = self.talk(version, context=context)
            self.line(tls.selected_alpn_protocol() is None, f"{version.name}: no protocol of ALPN is chosen")
            self.line(refused and not reused, f"{version.name}: a login inside of TLS is answered inside of TLS")
            self.line(tls.compression() is None, f"{version.name}: no compression")
            hint = session.ticket_lifetime_hint if session and session.has_ticket else 0
            self.line(0 < hint <= 7 * 86400, f"{version.name}: a ticket for {hint} s")
            again = self.talk(version, session=session, context=context)
            self.line(again[0] and again[2], f"{version.name}: the session is resumed")
        self.certificate(tls.getpeercert(binary_form=True))

    def certificate(self, der):
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=der, capture_output=True,
                              check=True).stdout.decode()
        key = re.search(r"Public Key Algorithm: (\S+)\s+(?:Public-Key|RSA Public-Key): \((\d+) bit", text)
        kind, bits = (key[1], int(key[2])) if key else ("ED25519" if "ED25519" in text else "?", 256)
        self.line(bits >= {"id-ecPublicKey": 256, "rsaEncryption": 2048, "ED25519": 256}.get(kind, 1 << 30),
                  f"the certificate's key is {kind} of {bits} bits")
        signed = re.search(r"Signature Algorithm: (\S+)", text)[1]
        self.line(not re.search("sha1|md5|md2", signed, re.I), f"the certificate is signed with {signed}")
        names = re.search(r"Subject Alternative Name:[^\n]*\n *(.*)", text)
        self.line("Version: 3" in text, f"the certificate is of version 3, for {names[1] if names else 'no names'}")
        first, last = (datetime.datetime.strptime(re.search(rf"{word} *: (.* GMT)", text)[1], "%b %d %H:%M:%S %Y GMT")
                       for word in ("Not Before", "Not After"))
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.line(first <= now < last, f"the certificate is valid from {first} to {last}")

    # What only openssl's client does.

    def openssl(self, *options, typed=b""):
        command = ["openssl", "s_client", "-starttls", "mysql", "-connect", f"{self.host}:{self.port}", *options]
        done = subprocess.run(command, input=typed, capture_output=True, check=False, timeout=60)
        return (done.stdout + done.stderr).decode(errors="replace")

    def renegotiation_and_early_data(self):
        text = self.openssl("-tls1_2", typed=b"R\n")
        self.line("RENEGOTIATING" in text and "no renegotiation" in text, "a renegotiation that the client wants is refused")
        self.line("Secure Renegotiation IS supported" in text, "openssl finds secure renegotiation")
        with tempfile.TemporaryDirectory() as folder:
            session, early = os.path.join(folder, "session"), os.path.join(folder, "early")
            with open(early, "wb") as f:
                f.write(b"\x03SELECT 1")
            # The ticket has come when the proxy ends the connection for what is no login.
            self.openssl("-tls1_3", "-ign_eof", "-sess_out", session, typed=b"not a login\n")
            if not os.path.exists(session):
                self.line(False, "openssl got no TLS 1.3 ticket")
                return
            told = subprocess.run(["openssl", "sess_id", "-in", session, "-noout", "-text"], capture_output=True, check=True)
            limit = re.search(r"Max Early Data: (\d+)", told.stdout.decode())
            self.line(limit is not None and limit[1] == "0", f"tickets allow {limit[1] if limit else '?'} bytes of early data")
            text = self.openssl("-tls1_3", "-sess_in", session, "-early_data", early)
            self.line("Early data was accepted" not in text, "early data is not accepted")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    scan = Scan(options.host, options.port)
    for part in (scan.versions, scan.ciphers, scan.key_exchange, scan.extensions, scan.broken, scan.sessions,
                 scan.renegotiation_and_early_data):
        try:
            part()
        except (OSError, ssl.SSLError, subprocess.SubprocessError) as e:
            scan.line(False, f"{part.__name__}: {type(e).__name__}: {e}")
    print(f"{scan.failures} findings")
    sys.exit(scan.failures > 0)


if __name__ == "__main__":
    main()

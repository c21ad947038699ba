"""One driver's probe: a process that answers a line with a line."""

import os
import select
import subprocess
import tempfile
import time

# A login must not need longer, directly or through the proxy.
SECONDS = 30


class Probe:
    def __init__(self, command):
        self.command, self.process, self.rest, self.version = command, None, b"", None
        self.errors = tempfile.TemporaryFile()

    def start(self):
        self.rest = b""
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.version = self.line()

    def ask(self, *fields):
        """Sends a login; returns the answer's fields. A probe that does not answer is started again for the next one."""
        try:
            if not self.process:
                self.start()
            self.process.stdin.write(("\t".join(fields) + "\n").encode())
            self.process.stdin.flush()
            return self.line().split("\t")
        except (TimeoutError, EOFError, BrokenPipeError) as error:
            self.end()
            return ["error", "no answer" if isinstance(error, TimeoutError) else "the probe ended", self.last_words()]

    def line(self):
        until = time.monotonic() + SECONDS
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise EOFError
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace")

    def last_words(self):
        self.errors.seek(0)
        return " ".join(self.errors.read().decode(errors="replace").split()[-40:])

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

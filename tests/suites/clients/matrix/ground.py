"""What the matrix of logins needs of one kind of server: certificates, servers with and without TLS, accounts, the proxy."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
from typing import NamedTuple

SETUP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "setup"))
HOST = "127.0.0.1"
KINDS = {"mariadb": "MariaDB", "mysql": "MySQL"}
# The primary, its replica, and the server without TLS.
SERVERS = ("servers/0", "servers/1", "plain/0")
# For the accounts that have a password; it needs no escapes anywhere.
PASSWORD = "correct-horse-9"
# The logins of a whole run fail more often than the default of a minute allows.
CONFIG = """
workers = 2

[[listeners]]
name = "tls"
address = "127.0.0.1:{tls}"
mode = "split"

[listeners.tls]
cert_file = "{folder}/proxy.pem"
key_file = "{folder}/proxy.key"

[[listeners]]
name = "plain"
address = "127.0.0.1:{plain}"
mode = "split"

[listeners.tls]
mode = "disabled"

[admin]
http = "127.0.0.1:{http}"

[discovery]
kind = "static"

[monitor]
user = "monitor"
password = "monitor"
interval = "1s"

[limits]
max_login_errors = 0
"""


class Account(NamedTuple):
    """An account of the servers. A server without the plugin has no such account."""

    name: str
    plugin: str
    password: str
    identified: str


ACCOUNTS = {
    "mariadb": [
        Account("native", "mysql_native_password", PASSWORD, "VIA mysql_native_password USING PASSWORD('{}')"),
        Account("ed25519", "ed25519", PASSWORD, "VIA ed25519 USING PASSWORD('{}')"),
        Account("empty", "mysql_native_password", "", "BY '{}'"),
    ],
    "mysql": [
        Account("native", "mysql_native_password", PASSWORD, "WITH mysql_native_password BY '{}'"),
        Account("caching_sha2", "caching_sha2_password", PASSWORD, "WITH caching_sha2_password BY '{}'"),
        Account("sha256", "sha256_password", PASSWORD, "WITH sha256_password BY '{}'"),
        Account("empty", "caching_sha2_password", "", "BY '{}'"),
    ],
}


def shell(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.strip()


def free_port():
    return int(shell("bash", "-c", f'. "{SETUP}/lib.sh"; free_port'))


class Ground:
    """Servers and a proxy of one kind; `with` ends them."""

    def __init__(self, kind, binary, sources, log):
        self.kind, self.binary, self.sources = kind, binary, sources
        self.log = open(log or os.devnull, "ab")
        self.folder = tempfile.mkdtemp(prefix="pointsman-matrix.")
        self.proxy, self.accounts, self.version = None, [], "?"
        self.direct = self.through = None

    def __enter__(self):
        try:
            self.certificates()
            self.servers()
            self.create_accounts()
            self.start_proxy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.proxy:
            self.proxy.kill()
            self.proxy.wait()
        for name in ("servers", "plain"):
            if os.path.exists(f"{self.folder}/{name}/kind"):
                shell(f"{SETUP}/cluster.sh", "stop", f"{self.folder}/{name}")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.close()

    def file(self, name):
        return os.path.join(self.folder, name)

    def certificates(self):
        """A CA that signs for the servers and for the proxy, and a CA that signs nothing."""
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        for name in ("ca", "other-ca"):
            self.openssl("req", "-x509", *key, "-days", "30", "-subj", f"/CN=pointsman test {name}",
                         "-keyout", self.file(f"{name}.key"), "-out", self.file(f"{name}.pem"))
        with open(self.file("names"), "w", encoding="utf-8") as file:
            file.write("subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = CA:FALSE\n")
        for name in ("server", "proxy"):
            self.openssl("req", *key, "-subj", "/CN=localhost", "-keyout", self.file(f"{name}.key"), "-out", self.file("request"))
            self.openssl("x509", "-req", "-in", self.file("request"), "-CA", self.file("ca.pem"), "-CAkey", self.file("ca.key"),
                         "-CAcreateserial", "-days", "30", "-extfile", self.file("names"), "-out", self.file(f"{name}.pem"))
        # As the servers do, the proxy sends the certificate of the CA along.
        with open(self.file("proxy.pem"), "a", encoding="utf-8") as proxy, open(self.file("ca.pem"), encoding="utf-8") as ca:
            proxy.write(ca.read())
        # A server may run as another user.
        os.chmod(self.folder, 0o755)
        for name in ("server.key", "proxy.key"):
            os.chmod(self.file(name), 0o644)

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")

    def servers(self):
        """A primary with a replica, and a server without TLS."""
        tls = [f"--ssl-ca={self.file('ca.pem')}", f"--ssl-cert={self.file('server.pem')}", f"--ssl-key={self.file('server.key')}"]
        more, no_tls = ([], "--tls-version=") if self.kind == "mysql" else (["--plugin-load-add=auth_ed25519"], "--skip-ssl")
        for name, replicas, options in (("servers", "1", [*tls, *more]), ("plain", "0", [no_tls, *more])):
            shell(f"{SETUP}/cluster.sh", "start", self.file(name), self.kind, replicas, *options)
        ports = [int(shell(f"{SETUP}/cluster.sh", "port", self.file(name), "0")) for name in ("servers", "plain")]
        self.direct = dict(tls=ports[0], plain=ports[1])
        self.version = self.sql("servers/0", "SELECT VERSION()").split("-")[0]

    def sql(self, server, statements):
        return shell("mariadb", "--no-defaults", "-uroot", "-S", self.file(f"{server}/sock"), "-N", "-B", "-e", statements)

    def user(self, account):
        return f"login_{account.name}"

    def create_accounts(self):
        known = "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'AUTHENTICATION' AND PLUGIN_STATUS = 'ACTIVE'"
        plugins = self.sql("servers/0", known).split()
        self.accounts = [account for account in ACCOUNTS[self.kind] if account.plugin in plugins]
        statements = ["CREATE TABLE test.logins (id VARCHAR(80) PRIMARY KEY, value VARCHAR(80)) CHARACTER SET utf8mb4"]
        for account in self.accounts:
            user = self.user(account)
            statements.append(f"CREATE USER {user}@'%' IDENTIFIED {account.identified.format(account.password)}")
            statements.append(f"GRANT SELECT, INSERT, DELETE ON test.* TO {user}@'%'")
        if self.sources == "accounts":
            statements.append("GRANT SELECT ON mysql.* TO monitor@'%'")
        for server in ("servers/0", "plain/0"):
            self.sql(server, "; ".join(statements))
        # The last statement on the replica, too.
        self.sql("servers/0", "CREATE TABLE test.accounts_done (id INT)")
        for _ in range(600):
            if self.sql("servers/1", "SHOW TABLES FROM test LIKE 'accounts_done'"):
                return
            time.sleep(0.1)
        raise RuntimeError("the replica has no accounts after a minute")

    def missing(self):
        """The accounts that this server cannot have."""
        return [account for account in ACCOUNTS[self.kind] if account not in self.accounts]

    def start_proxy(self):
        ports = dict(tls=free_port(), plain=free_port(), http=free_port())
        text = CONFIG.format(folder=self.folder, **ports)
        for number in range(2):
            port = shell(f"{SETUP}/cluster.sh", "port", self.file("servers"), str(number))
            text += f'\n[[discovery.servers]]\nname = "db-{number}"\naddress = "{HOST}:{port}"\n'
        for account in self.accounts if self.sources == "users" else []:
            allowed = "" if account.password else "allow_empty_password = true\n"
            text += f'\n[[users]]\nname = "{self.user(account)}"\npassword = "{account.password}"\n{allowed}'
        with open(self.file("proxy.toml"), "w", encoding="utf-8") as file:
            file.write(text)
        self.through = ports
        self.proxy = subprocess.Popen([self.binary, "run", "--config", self.file("proxy.toml")],
                                      stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        for _ in range(600):
            if self.proxy.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://{HOST}:{ports['http']}/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the proxy did not become ready")

    def handshakes(self):
        """How many TLS handshakes with clients the proxy has completed."""
        with urllib.request.urlopen(f"http://{HOST}:{self.through['http']}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines
                   if line.startswith("pointsman_client_tls_handshakes_total{") and 'result="failed"' not in line)

    def empty_cache(self):
        """Makes caching_sha2_password's full exchange necessary, on all servers."""
        for server in SERVERS:
            self.sql(server, "FLUSH LOCAL PRIVILEGES")

    def fill_cache(self, account):
        """Lets a client that always can log in fill the cache of caching_sha2_password."""
        for server in SERVERS:
            folder, number = server.split("/")
            port = shell(f"{SETUP}/cluster.sh", "port", self.file(folder), number)
            shell("mariadb", "--no-defaults", "--skip-ssl", f"-h{HOST}", f"-P{port}", f"-u{self.user(account)}",
                  f"-p{account.password}", "-e", "DO 1")


def wrong_password():
    return f"wrong-{secrets.token_hex(4)}"

"""The Python drivers and the command lines: `probe.py DRIVER [PROGRAM]`. README.md of the folder above has the protocol."""

import asyncio
import re
import subprocess
import sys

SECONDS = 10


class Refused(Exception):
    """A failed login: the error's code and its text."""


def statements(row, value):
    yield "SELECT CURRENT_USER()"
    yield f"REPLACE INTO logins VALUES ('{row}', '{value}')"
    yield f"SELECT value FROM logins WHERE id = '{row}'"


def over_cursor(connection, row, value):
    """Runs the statements of a login on a connection of Python's DB API."""
    answers = []
    cursor = connection.cursor()
    for statement in statements(row, value):
        cursor.execute(statement)
        answers += cursor.fetchall() if cursor.description else []
    connection.commit()
    cursor.close()
    connection.close()
    return [answer[0] for answer in answers]


def code(error):
    """The error's number; for an error without a number, its class."""
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    return number if isinstance(number, int) and number > 0 else type(error).__name__


def pymysql(host, port, user, password, tls, ca, row, value):
    import pymysql as driver

    channel = dict(
        none=dict(ssl_disabled=True),
        required=dict(ssl=dict(verify_mode="none", check_hostname=False)),
        verify=dict(ssl_ca=ca, ssl_verify_identity=True),
    )[tls]
    login = dict(host=host, port=port, user=user, password=password, database="test", connect_timeout=SECONDS)
    return over_cursor(driver.connect(**login, **channel), row, value)


def mysqlclient(host, port, user, password, tls, ca, row, value):
    import MySQLdb as driver

    channel = dict(
        none=dict(ssl_mode="DISABLED"),
        required=dict(ssl_mode="REQUIRED"),
        verify=dict(ssl_mode="VERIFY_IDENTITY", ssl=dict(ca=ca)),
    )[tls]
    login = dict(host=host, port=port, user=user, password=password, database="test", connect_timeout=SECONDS)
    return over_cursor(driver.connect(**login, **channel), row, value)


def connpy(pure, host, port, user, password, tls, ca, row, value):
    import mysql.connector as driver

    channel = dict(
        none=dict(ssl_disabled=True),
        required=dict(ssl_disabled=False),
        verify=dict(ssl_disabled=False, ssl_ca=ca, ssl_verify_cert=True, ssl_verify_identity=True),
    )[tls]
    # The driver's default collation is one that MariaDB 10.11 lacks.
    login = dict(host=host, port=port, user=user, password=password, database="test", connection_timeout=SECONDS,
                 charset="utf8mb4", collation="utf8mb4_general_ci", use_pure=pure)
    return over_cursor(driver.connect(**login, **channel), row, value)


def asyncmy(host, port, user, password, tls, ca, row, value):
    import asyncmy as driver

    channel = dict(
        none={},
        required=dict(ssl=dict(verify_mode="none", check_hostname=False)),
        verify=dict(ssl=dict(ca=ca)),
    )[tls]

    async def login():
        connection = await driver.connect(host=host, port=port, user=user, password=password, database="test",
                                          connect_timeout=SECONDS, **channel)
        answers = []
        async with connection.cursor() as cursor:
            for statement in statements(row, value):
                await cursor.execute(statement)
                answers += await cursor.fetchall() if cursor.description else []
        await connection.commit()
        await connection.ensure_closed()
        return [answer[0] for answer in answers]

    return asyncio.run(login())


def command_line(channels, program, host, port, user, password, tls, ca, row, value):
    channel = [option.format(ca=ca) for option in channels[tls]]
    # An empty password in the command line: the program would ask for one that is missing.
    options = [f"-h{host}", f"-P{port}", f"-u{user}", f"--password={password}", f"--connect-timeout={SECONDS}"]
    run = subprocess.run([program, "--no-defaults", *options, *channel, "-N", "-B", "test", "-e", ";".join(statements(row, value))],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * SECONDS)
    if run.returncode == 0:
        return run.stdout.split()
    found = re.search(r"ERROR (\d+)", run.stderr)
    raise Refused(found[1] if found else "no number", run.stderr)


MARIADB = dict(none=["--skip-ssl"], required=["--ssl"], verify=["--ssl-ca={ca}", "--ssl-verify-server-cert"])
MYSQL = dict(
    none=["--ssl-mode=DISABLED", "--get-server-public-key"],
    required=["--ssl-mode=REQUIRED"],
    verify=["--ssl-mode=VERIFY_IDENTITY", "--ssl-ca={ca}"],
)


def version_of(program):
    text = subprocess.run([program, "--no-defaults", "--version"], capture_output=True, text=True).stdout
    return re.search(r"(?:Distrib|Ver) (\d+\.\d+\.\d+)", text)[1]


def module(name):
    """The version of an installed package."""
    from importlib.metadata import version

    return version(name)


def driver(name, program):
    """The function that logs in, and the driver's version."""
    if name == "pymysql":
        return pymysql, module("PyMySQL")
    if name == "mysqlclient":
        import MySQLdb

        return mysqlclient, f"{module('mysqlclient')} (MariaDB Connector/C {MySQLdb.get_client_info()})"
    if name == "asyncmy":
        return asyncmy, module("asyncmy")
    if name in ("connpy_pure", "connpy_c"):
        return (lambda *cell: connpy(name == "connpy_pure", *cell)), module("mysql-connector-python")
    channels = MARIADB if name == "mariadb" else MYSQL
    return (lambda *cell: command_line(channels, program, *cell)), version_of(program)


def one_line(text):
    return " ".join(str(text).split())


def main():
    login, version = driver(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    print(version, flush=True)
    for line in sys.stdin:
        host, port, user, password, tls, ca, row, value = line.rstrip("\n").split("\t")
        try:
            print("ok", *login(host, int(port), user, password, tls, ca, row, value), sep="\t", flush=True)
        except Refused as error:
            print("error", error.args[0], one_line(error.args[1]), sep="\t", flush=True)
        except Exception as error:  # whatever the driver raises is its answer
            print("error", code(error), one_line(error), sep="\t", flush=True)


main()

"""Clients that keep books, in a pod: what each was told. usage: books.py SECONDS   env: HOST, PASSWORDS=one,other, DIRECT=address,address,…

Writers insert rows with tokens of their own, one statement at a time; readers count rows at the listener's level. As a pool does, each
pings its connection before it uses it. Visitors write, too, and connect for each statement. A fourth kind writes to each server directly, past the proxy: it shows how long the servers
themselves kept everyone waiting. Prints one JSON object: for each client, what it was told and when.
"""

import json
import os
import sys
import threading
import time

import pymysql

WRITERS, READERS, VISITORS = 4, 4, 2
# The servers' error for a wrong password.
ACCESS_DENIED = 1045
PAUSE = 0.01
# How long an answer may take, in seconds: longer than any scene's outage.
ANSWER = 150
# What takes longer than this is listed: when it began, how long the ping or the login took, and how long all of it.
SLOW = 0.5
# Errors that leave open whether the statement was executed: an end of the connection, and what the proxy says of a lost server.
IN_DOUBT = {2006, 2013}


def is_in_doubt(error):
    return bool(error.args) and error.args[0] in IN_DOUBT or "may or may not have been executed" in str(error)


def connect(host, timeout=30, answer=ANSWER):
    """With the first password that is right. Between the change of a password and the news of it, an application has both."""
    passwords = os.environ["PASSWORDS"].split(",")
    for last, password in enumerate(passwords, 1):
        try:
            return pymysql.connect(host=host, port=3306, user="app", password=password, database="books", autocommit=True,
                                   connect_timeout=timeout, read_timeout=answer, write_timeout=answer)
        except pymysql.MySQLError as error:
            if error.args[0] != ACCESS_DENIED or last == len(passwords):
                raise
    raise ValueError("no password")


class Client(threading.Thread):
    def __init__(self, name, host, until):
        super().__init__(daemon=True)
        self.name, self.host, self.until = name, host, until
        self.connection = None
        self.book = {"name": name, "acknowledged": [], "doubt": [], "errors": [], "stall": 0, "slow": [], "times": []}

    def ready(self):
        try:
            if self.connection:
                self.connection.ping(reconnect=False)
        except pymysql.MySQLError:
            self.connection = None
        self.connection = self.connection or connect(self.host)

    def run(self):
        number = 0
        while time.time() < self.until:
            number += 1
            began, token, sent = time.time(), f"{self.name}-{number}", 0
            try:
                self.ready()
                sent = time.time()
                self.step(token)
                self.book["acknowledged"].append(token)
                self.book["times"].append(round(time.time(), 4))
            except (pymysql.MySQLError, OSError) as error:
                self.connection = None
                self.note(token, sent, error)
            took = time.time() - began
            self.book["stall"] = max(self.book["stall"], round(took, 4))
            if took > SLOW:
                self.book["slow"].append([round(began, 3), round((sent or time.time()) - began, 3), round(took, 3)])
            time.sleep(PAUSE)

    def note(self, token, sent, error):
        code = error.args[0] if error.args else 0
        if sent and is_in_doubt(error):
            self.book["doubt"].append(token)
        self.book["errors"].append([code, str(error), round(time.time(), 4)])


class Writer(Client):
    def step(self, token):
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO log (token) VALUES (%s)", (token,))


class Visitor(Writer):
    def ready(self):
        self.connection = connect(self.host)

    def step(self, token):
        super().step(token)
        self.connection.close()


class Reader(Client):
    def step(self, token):
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM log")
            cursor.fetchone()


class Direct(Client):
    """Every error is expected: only one of the servers is the primary."""

    def ready(self):
        self.connection = self.connection or connect(self.host, 1, 60)

    def step(self, token):
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO direct (token) VALUES (%s)", (token,))

    def note(self, token, sent, error):
        time.sleep(0.02)


def main():
    until = time.time() + float(sys.argv[1])
    host = os.environ["HOST"]
    clients = [Writer(f"w{n}", host, until) for n in range(WRITERS)] + [Reader(f"r{n}", host, until) for n in range(READERS)]
    clients += [Visitor(f"v{n}", host, until) for n in range(VISITORS)]
    clients += [Direct(f"d{n}", address, until) for n, address in enumerate(os.environ.get("DIRECT", "").split(",")) if address]
    for client in clients:
        client.start()
    for client in clients:
        client.join(until - time.time() + ANSWER + 5)
    print(json.dumps([client.book | {"alive": client.is_alive()} for client in clients]))


main()

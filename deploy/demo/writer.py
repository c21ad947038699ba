"""The demo's application: writes a row, reads it again, waits a tenth of a second. Prints a line a second: writes that were
acknowledged, errors, the longest wait. As a connection pool does, it pings its connection before it uses it, and opens another one if
the ping fails."""

import os
import time

import pymysql

LINE = 1.0


def connect():
    return pymysql.connect(host=os.environ["HOST"], port=3306, user="app", password=os.environ["PASSWORD"], database="shop",
                           autocommit=True, connect_timeout=30, read_timeout=60)


def alive(connection):
    try:
        if connection:
            connection.ping(reconnect=False)
        return connection
    except pymysql.MySQLError:
        return None


def write(connection):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders (placed) VALUES (NOW(6))")
        cursor.execute("SELECT COUNT(*) FROM orders WHERE id = %s", (cursor.lastrowid,))
        if cursor.fetchone() != (1,):
            raise pymysql.MySQLError("the row is not there")


def main():
    connection, acknowledged, errors, longest, shown = None, 0, 0, 0.0, time.monotonic()
    while True:
        began = time.monotonic()
        try:
            connection = alive(connection) or connect()
            write(connection)
            acknowledged += 1
        except pymysql.MySQLError as error:
            errors += 1
            print(f"error: {error}")
            connection = None
        longest = max(longest, time.monotonic() - began)
        if time.monotonic() - shown >= LINE:
            print(f"{acknowledged} writes acknowledged, {errors} errors, longest wait of the last second {longest * 1000:.0f} ms")
            longest, shown = 0.0, time.monotonic()
        time.sleep(0.1)


main()

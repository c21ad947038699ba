"""PyMySQL: text protocol only, no DEPRECATE_EOF, no session tracking."""

import json
import os
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pylib"))
import pymysql
import pymysql.constants.CLIENT as CLIENT
import pymysql.cursors
from pymysql.connections import MySQLResult
from suite import *
from values import ALL_BYTES, EXPECTED, check_rows

suite = Suite("pymysql")
PRE = "pymysql_"
CHANNEL = dict(ssl=dict(verify_mode="none", check_hostname=False)) if TLS else dict(ssl_disabled=True)


def connect(**more):
    options = dict(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, charset="utf8mb4",
                   autocommit=True, local_infile=True, max_allowed_packet=64 * MIB, connect_timeout=15, **CHANNEL)
    options.update(more)
    return pymysql.connect(**options)


def run(connection, sql, args=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall()


def one(connection, sql, args=None):
    return run(connection, sql, args)[0][0]


def fresh(connection, name, columns):
    table = PRE + name
    run(connection, f"DROP TABLE IF EXISTS {table}")
    run(connection, f"CREATE TABLE {table} ({columns}) CHARACTER SET utf8mb4")
    return table


def drop(connection, table):
    run(connection, f"DROP TABLE {table}")
    connection.close()


@suite.feature
def login():
    connection = connect()
    eq("schema", DATABASE, one(connection, "SELECT DATABASE()"))
    eq("user", USER, one(connection, "SELECT CURRENT_USER()").split("@")[0])
    version = one(connection, "SELECT VERSION()")
    eq("the greeting's version", version.split("-")[0], connection.get_server_info().replace("5.5.5-", "").split("-")[0])
    ok("MariaDB names itself", ("MariaDB" in connection.get_server_info()) == (FLAVOR == "mariadb"), connection.get_server_info())
    connection.close()
    bare = connect(database=None)
    eq("no schema", None, one(bare, "SELECT DATABASE()"))
    bare.close()


@suite.feature
def wrong_password():
    fails("wrong password", 1045, lambda: connect(password=PASSWORD + "x"))
    fails("empty password", 1045, lambda: connect(password=""))
    fails("unknown user", 1045, lambda: connect(user="nobody_" + USER))
    fails("unknown schema", (1044, 1049), lambda: connect(database="no_such_schema"))


def check_types(connection, table, rows):
    eq("the server's own verdict", 111, int(one(connection, shared_sql("types_check.sql", table))))
    check_rows(rows)


@suite.feature
def text():
    connection = connect()
    run(connection, "SET time_zone = '+00:00'")
    table = PRE + "text"
    run(connection, f"DROP TABLE IF EXISTS {table}")
    run(connection, shared_sql("types_create.sql", table))
    eq("inserted", 3, connection.cursor().execute(shared_sql("types_insert.sql", table)))
    check_types(connection, table, run(connection, f"SELECT * FROM {table} ORDER BY id"))
    # The driver's own escaping of the same values.
    run(connection, f"DELETE FROM {table}")
    with connection.cursor() as cursor:
        for row in EXPECTED:
            row = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in row]
            cursor.execute(f"INSERT INTO {table} VALUES ({','.join(['%s'] * 25)})", row)
    check_types(connection, table, run(connection, f"SELECT * FROM {table} ORDER BY id"))
    drop(connection, table)


@suite.feature
def prepared():
    connection = connect()
    run(connection, "PREPARE s FROM 'SELECT ? + 1, CONCAT(?, ''x''), ? IS NULL, HEX(?)'")
    for n in (-5, 0, 9000000000):
        run(connection, "SET @a = %s, @b = %s, @c = NULL, @d = %s", (n, "it's €", ALL_BYTES))
        eq("EXECUTE", ((n + 1, "it's €x", 1, ALL_BYTES.hex().upper()),), run(connection, "EXECUTE s USING @a, @b, @c, @d"))
    run(connection, "DEALLOCATE PREPARE s")
    fails("EXECUTE after DEALLOCATE", 1243, lambda: run(connection, "EXECUTE s USING @a, @b, @c, @d"))
    connection.close()
    return "PREPARE and EXECUTE as text: the driver has no binary protocol"


@suite.feature
def big_result():
    connection = connect()
    check_big(run(connection, shared_sql("big.sql")))
    eq("afterwards", 1, one(connection, "SELECT 1"))
    connection.close()


@suite.feature
def big_packet():
    connection = connect()
    table = fresh(connection, "big_packet", "id INT PRIMARY KEY, b LONGBLOB")
    blob = pattern(20 * MIB)
    run(connection, f"INSERT INTO {table} VALUES (1, %s)", (blob,))
    size, back = run(connection, f"SELECT LENGTH(b), b FROM {table}")[0]
    eq("stored length", 20 * MIB, size)
    ok("20 MiB blob round trip", back == blob, back)
    literal = letters(20 * MIB)
    ok("20 MiB literal round trip", one(connection, f"SELECT '{literal}' AS v") == literal)
    around = len("SELECT LENGTH('')")
    for size in EDGE_TEXT:
        sql = f"SELECT LENGTH('{letters(size - around)}')"
        eq(f"a statement of {size} bytes", size - around, one(connection, sql))
    for size in EDGE_ROW:
        back = one(connection, f"SELECT REPEAT('x', {size})")
        ok(f"a row with {size} bytes", back == "x" * size, back)
    drop(connection, table)


@suite.feature
def errors():
    connection = connect()
    table = fresh(connection, "errors", "id INT PRIMARY KEY")
    run(connection, f"INSERT INTO {table} VALUES (1)")
    for sql, code in (("SELEKT 1", 1064), (f"SELECT * FROM {table}_none", 1146), (f"INSERT INTO {table} VALUES (1)", 1062),
                      (f"SELECT nope FROM {table}", 1054), ("", 1065)):
        fails(sql, code, lambda sql=sql: run(connection, sql))
        eq(f"after error {code}", 1, one(connection, f"SELECT id FROM {table}"))
    message = fails("duplicate", 1062, lambda: run(connection, f"INSERT INTO {table} VALUES (1)"))
    ok("the server's own message", "Duplicate entry '1'" in message, message)
    # An error in the midst of rows: the second row's subquery gives two rows.
    run(connection, f"INSERT INTO {table} VALUES (2)")
    fails("error among rows", 1242, lambda: run(
        connection, f"SELECT t.id, (SELECT u.id FROM {table} u WHERE u.id <= t.id) FROM {table} t ORDER BY t.id"))
    eq("after an error among rows", 2, one(connection, f"SELECT COUNT(*) FROM {table}"))
    drop(connection, table)


@suite.feature
def transaction():
    a, b = connect(autocommit=False), connect()
    table = fresh(b, "transaction", "id INT PRIMARY KEY, v INT")
    count = f"SELECT COUNT(*) FROM {table}"
    a.begin()
    run(a, f"INSERT INTO {table} VALUES (1, 1)")
    ok("status: in a transaction", a.server_status & 1, a.server_status)
    eq("own write", 1, one(a, count))
    eq("others see nothing before COMMIT", 0, one(b, count))
    a.commit()
    ok("status: no transaction", not a.server_status & 1, a.server_status)
    eq("others see it after COMMIT", 1, one(b, count))
    run(a, f"INSERT INTO {table} VALUES (2, 2)")
    a.rollback()
    eq("after ROLLBACK", 1, one(a, count))
    a.commit()
    # A snapshot stays until its transaction ends.
    run(a, "START TRANSACTION")
    eq("snapshot", 1, one(a, count))
    run(b, f"INSERT INTO {table} VALUES (3, 3)")
    eq("the snapshot stays", 1, one(a, count))
    a.commit()
    eq("a new snapshot", 2, one(a, count))
    a.commit()
    run(a, "START TRANSACTION")
    run(a, f"INSERT INTO {table} VALUES (4, 4)")
    run(a, "SAVEPOINT s")
    run(a, f"INSERT INTO {table} VALUES (5, 5)")
    run(a, "ROLLBACK TO SAVEPOINT s")
    a.commit()
    eq("savepoint", ((1,), (3,), (4,)), run(b, f"SELECT id FROM {table} ORDER BY id"))
    # A row lock holds the other connection up, until COMMIT.
    run(a, "START TRANSACTION")
    eq("FOR UPDATE", 1, one(a, f"SELECT v FROM {table} WHERE id = 1 FOR UPDATE"))
    run(b, "SET SESSION innodb_lock_wait_timeout = 1")
    fails("lock wait", 1205, lambda: run(b, f"UPDATE {table} SET v = 9 WHERE id = 1"))
    a.commit()
    run(b, f"UPDATE {table} SET v = 9 WHERE id = 1")
    # A connection that ends inside a transaction leaves nothing.
    run(a, "START TRANSACTION")
    run(a, f"INSERT INTO {table} VALUES (6, 6)")
    a.close()
    time.sleep(0.2)
    eq("nothing left of a lost transaction", 3, one(b, count))
    drop(b, table)


@suite.feature
def multi_statement():
    connection = connect(client_flag=CLIENT.MULTI_STATEMENTS)
    table = fresh(connection, "multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (v) VALUES (1),(2); SELECT v FROM {table} ORDER BY v; UPDATE {table} SET v = v + 1; SELECT 'end'")
        eq("1st: affected", 2, cursor.rowcount)
        ok("2nd", cursor.nextset())
        eq("2nd: rows", ((1,), (2,)), cursor.fetchall())
        ok("3rd", cursor.nextset())
        eq("3rd: affected", 2, cursor.rowcount)
        ok("4th", cursor.nextset())
        eq("4th: rows", (("end",),), cursor.fetchall())
        eq("no 5th", None, cursor.nextset())
        # An error ends the row of results.
        cursor.execute("SELECT 1; SELEKT 2; SELECT 3")
        eq("before the error", ((1,),), cursor.fetchall())
        fails("error in the second statement", 1064, cursor.nextset)
    eq("afterwards", 2, one(connection, f"SELECT COUNT(*) FROM {table}"))
    drop(connection, table)
    plain = connect(client_flag=0)
    plain.client_flag &= ~CLIENT.MULTI_STATEMENTS
    fails("without the flag", 1064, lambda: run(plain, "SELECT 1; SELECT 2"))
    plain.close()


@suite.feature
def procedure():
    connection = connect()
    run(connection, f"DROP PROCEDURE IF EXISTS {PRE}proc")
    run(connection, f"CREATE PROCEDURE {PRE}proc(IN n INT, OUT twice INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; SET twice = 2 * n; END")
    with connection.cursor() as cursor:
        cursor.execute(f"CALL {PRE}proc(20, @twice)")
        eq("first result set", ((20,),), cursor.fetchall())
        ok("second", cursor.nextset())
        eq("second result set", ((21, "x"),), cursor.fetchall())
        while cursor.nextset():
            eq("only a status follows", None, cursor.description)
        cursor.execute("SELECT @twice")
        eq("OUT parameter", ((40,),), cursor.fetchall())
    run(connection, f"DROP PROCEDURE {PRE}proc")
    connection.close()


@suite.feature
def load_data():
    connection = connect()
    table = fresh(connection, "load", "id INT PRIMARY KEY, name VARCHAR(40), v INT")
    load = f"LOAD DATA LOCAL INFILE %s INTO TABLE {table}"
    with connection.cursor() as cursor:
        eq("affected", LOAD_COUNT, cursor.execute(load, (LOAD_FILE,)))
        info = cursor._result.message  # the driver leaves the length in front
        eq("info", b"Records: 10000  Deleted: 0  Skipped: 0  Warnings: 0", bytes(info[1:]))
    eq("rows", ((LOAD_COUNT, LOAD_SUM, LOAD_NULLS, LOAD_VALUES, "line 777"),), tuple(
        tuple(v if isinstance(v, str) else int(v) for v in row) for row in run(
            connection, f"SELECT COUNT(*), SUM(id), SUM(v IS NULL), SUM(v), MAX(IF(id = 777, name, NULL)) FROM {table}")))
    fails("no such table", 1146, lambda: run(connection, f"LOAD DATA LOCAL INFILE %s INTO TABLE {table}_none", (LOAD_FILE,)))
    eq("after the error", 1, one(connection, "SELECT 1"))
    fails("no such file", 1017, lambda: run(connection, load, ("/no/such/file",)))
    eq("after no file", LOAD_COUNT, one(connection, f"SELECT COUNT(*) FROM {table}"))
    with tempfile.NamedTemporaryFile() as empty:
        eq("an empty file", 0, connection.cursor().execute(load, (empty.name,)))
    with tempfile.NamedTemporaryFile("w") as twice:
        twice.write("1\tagain\t1\n20000\tnew\t5\n")
        twice.flush()
        eq("duplicates are ignored", 1, connection.cursor().execute(load, (twice.name,)))
        eq("with a warning", 1062, run(connection, "SHOW WARNINGS")[0][1])
    drop(connection, table)


@suite.feature
def charset():
    connection = connect()
    table = fresh(connection, "charset", "id INT PRIMARY KEY, s VARCHAR(100)")
    word = "naïve €-中文-🚂🎉"
    run(connection, f"INSERT INTO {table} VALUES (1, %s)", (word,))
    eq("stored as utf8mb4", word.encode().hex().upper(), one(connection, f"SELECT HEX(s) FROM {table}"))
    eq("utf8mb4 back", word, one(connection, f"SELECT s FROM {table}"))
    latin = connect(charset="latin1")
    eq("character set", "latin1", one(latin, "SELECT @@character_set_client"))
    run(latin, f"INSERT INTO {table} VALUES (2, %s)", ("café",))
    eq("latin1 back", "café", one(latin, f"SELECT s FROM {table} WHERE id = 2"))
    eq("latin1 sent, utf8mb4 stored", "636166C3A9", one(latin, f"SELECT HEX(s) FROM {table} WHERE id = 2"))
    eq("what latin1 lacks", "na", one(latin, f"SELECT s FROM {table} WHERE id = 1")[:2])
    latin.set_character_set("utf8mb4")
    eq("after SET NAMES", word, one(latin, f"SELECT s FROM {table} WHERE id = 1"))
    latin.close()
    drop(connection, table)


suite.has_not("change_user", "the driver has no COM_CHANGE_USER")
suite.has_not("reset_connection", "the driver has no COM_RESET_CONNECTION")


@suite.feature
def cursor():
    connection = connect(cursorclass=pymysql.cursors.SSCursor)
    with connection.cursor() as rows:
        rows.execute(shared_sql("big.sql"))
        check_big(rows)
    with connection.cursor() as rows:
        rows.execute(shared_sql("big.sql"))
        ok("a first row", rows.fetchone())
        # Closing reads the rest of the rows away.
    with connection.cursor() as rows:
        rows.execute("SELECT 7")
        eq("afterwards", (7,), rows.fetchone())
    connection.close()
    return "unbuffered SSCursor: the driver has no server-side cursor"


@suite.feature
def affected():
    connection = connect(client_flag=0)
    table = fresh(connection, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
    with connection.cursor() as cursor:
        eq("INSERT", 3, cursor.execute(f"INSERT INTO {table} (v) VALUES (1),(2),(3)"))
        first = cursor.lastrowid
        eq("info", b"Records: 3  Duplicates: 0  Warnings: 0", bytes(cursor._result.message[1:]))
        eq("last insert id", one(connection, f"SELECT MIN(id) FROM {table}"), first)
        eq("LAST_INSERT_ID()", first, one(connection, "SELECT LAST_INSERT_ID()"))
        cursor.execute(f"UPDATE {table} SET v = 2")
        eq("UPDATE: changed", 2, cursor.rowcount)
        eq("info", b"Rows matched: 3  Changed: 2  Warnings: 0", bytes(cursor._result.message[1:]))
        eq("ROW_COUNT()", 2, affected_count(connection, cursor, f"UPDATE {table} SET v = 3 WHERE id > {first}"))
        cursor.execute(f"INSERT IGNORE INTO {table} (v) VALUES (1000), (2000), (4)")
        eq("warning count", 2, cursor._result.warning_count)
        warnings = run(connection, "SHOW WARNINGS")
        eq("SHOW WARNINGS", [1264, 1264], [row[1] for row in warnings])
        eq("DELETE", 6, cursor.execute(f"DELETE FROM {table}"))
        cursor.execute(f"INSERT INTO {table} (id, v) VALUES (5000000000 DIV 5, 1)")
        eq("a given id", (1,), (cursor.rowcount,))
    drop(connection, table)
    found = connect(client_flag=CLIENT.FOUND_ROWS)
    table = fresh(found, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
    with found.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (v) VALUES (1),(2),(3)")
        eq("UPDATE with CLIENT_FOUND_ROWS: matched", 3, cursor.execute(f"UPDATE {table} SET v = 2"))
    drop(found, table)


def affected_count(connection, cursor, sql):
    cursor.execute(sql)
    return one(connection, "SELECT ROW_COUNT()")


@suite.feature
def ping():
    connection = connect()
    for _ in range(100):
        connection.ping(reconnect=False)
    eq("afterwards", 1, one(connection, "SELECT 1"))
    connection.close()
    ended = connect()
    ended._force_close()
    try:
        ended.ping(reconnect=False)
    except pymysql.err.Error:
        return None
    raise Mismatch("ping on a closed connection: expected an error, got none")


@suite.feature
def schema():
    connection = connect()
    table = fresh(connection, "schema", "id INT")
    connection.select_db("information_schema")
    eq("COM_INIT_DB", "information_schema", one(connection, "SELECT DATABASE()"))
    fails("the table is elsewhere", (1109, 1146), lambda: run(connection, f"SELECT * FROM {table}"))
    run(connection, f"USE {DATABASE}")
    eq("USE", DATABASE, one(connection, "SELECT DATABASE()"))
    eq("rows", (), run(connection, f"SELECT * FROM {table}"))
    fails("unknown schema", (1044, 1049), lambda: connection.select_db("no_such_schema"))
    eq("stays after the error", DATABASE, one(connection, "SELECT DATABASE()"))
    drop(connection, table)


@suite.feature
def kill_query():
    connection, other = connect(), connect()
    table = fresh(connection, "kill", "id INT")
    run(connection, f"INSERT INTO {table} VALUES (1), (2)")
    for name, number in (("the greeting's id", connection.thread_id()), ("CONNECTION_ID()", one(connection, "SELECT CONNECTION_ID()"))):
        outcome = []

        def sleep():
            try:
                outcome.append(run(connection, f"SELECT SLEEP(20), id FROM {table}"))
            except pymysql.err.Error as error:
                outcome.append(error.args[0])

        thread = threading.Thread(target=sleep)
        thread.start()
        await_sleep(other, table)
        began = time.monotonic()
        run(other, f"KILL QUERY {number}")
        thread.join()
        eq(f"KILL QUERY by {name}: the statement's error", 1317, outcome[0])
        ok(f"KILL QUERY by {name}: ends soon", time.monotonic() - began < 10, time.monotonic() - began)
        eq("afterwards", 2, one(connection, f"SELECT COUNT(*) FROM {table}"))
    fails("no such connection", 1094, lambda: run(other, "KILL QUERY 4294967290"))
    run(other, f"KILL {connection.thread_id()}")
    fails("after KILL CONNECTION", (2013, 2006, 1927, 4031), lambda: run(connection, "SELECT 1"))
    drop(other, table)


def await_sleep(other, table):
    for _ in range(600):
        if one(other, f"SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE 'SELECT SLEEP(20), id FROM {table}%%'", ()):
            return
        time.sleep(0.05)
    ok("the statement to kill is in the process list", False, "nothing in 600 looks")


@suite.feature
def prepare_cycles():
    connection = connect()
    for n in range(1000):
        run(connection, f"PREPARE s{n} FROM 'SELECT ? + {n}'")
        run(connection, f"SET @a = {n}")
        eq(f"cycle {n}", 2 * n, one(connection, f"EXECUTE s{n} USING @a"))
        run(connection, f"DEALLOCATE PREPARE s{n}")
    connection.close()
    return "as text"


@suite.feature
def empty():
    connection = connect()
    table = fresh(connection, "empty", "id INT, s VARCHAR(10)")
    with connection.cursor() as cursor:
        eq("no rows", 0, cursor.execute(f"SELECT * FROM {table}"))
        eq("columns", ["id", "s"], [column[0] for column in cursor.description])
        eq("fetch", (), cursor.fetchall())
        eq("DO", 0, cursor.execute("DO 1"))
        eq("no columns", None, cursor.description)
        cursor.execute("SELECT '', NULL")
        eq("empty and NULL", (("", None),), cursor.fetchall())
        cursor.execute("SELECT " + ", ".join(f"{n} AS c{n}" for n in range(500)))
        eq("500 columns", tuple(range(500)), cursor.fetchall()[0])
    drop(connection, table)


@suite.feature
def pipeline():
    # The driver waits for each answer; here its packets go out in one write and the answers are read in turn.
    connection = connect()
    texts = [f"SELECT {n}" if n % 5 else f"SELEKT {n}" for n in range(50)] + ["SELECT REPEAT('y', 100000)"]
    connection._write_bytes(b"".join(
        struct.pack("<I", len(sql) + 1)[:3] + b"\0" + b"\x03" + sql.encode() for sql in texts))
    for n, sql in enumerate(texts):
        connection._next_seq_id = 1
        result = MySQLResult(connection)
        if sql.startswith("SELEKT"):
            fails(sql, 1064, result.read)
        else:
            result.read()
            eq(sql, ((n,),) if n < 50 else (("y" * 100000,),), tuple(result.rows))
    eq("afterwards", 1, one(connection, "SELECT 1"))
    connection.close()
    return "the driver's packets, written at once"


suite.run()

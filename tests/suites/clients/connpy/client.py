"""mysql-connector-python, pure (`connpy_pure`) or over its C extension (`connpy_c`): text and binary protocol."""

import datetime
import json
import os
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pylib"))
import mysql.connector
from mysql.connector.constants import ClientFlag
from suite import *
from values import ALL_BYTES, EXPECTED, NAMES, check_rows

PURE = sys.argv[1] == "pure"
suite = Suite("connpy_pure" if PURE else "connpy_c")
PRE = suite.client + "_"


def connect(**more):
    # The driver's default collation is one that MariaDB 10.11 lacks.
    options = dict(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, charset="utf8mb4", use_pure=PURE,
                   collation="utf8mb4_general_ci", autocommit=True, allow_local_infile=True, ssl_disabled=not TLS, connection_timeout=15)
    options.update(more)
    connection = mysql.connector.connect(**options)
    if PURE:
        # The driver writes twice (close, prepare) before it reads: Nagle's algorithm would cost 40 ms each time.
        connection._socket.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def run(connection, sql, args=None, **kind):
    cursor = connection.cursor(**kind)
    try:
        cursor.execute(sql, args) if args is not None else cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []
    finally:
        cursor.close()


def one(connection, sql, args=None, **kind):
    return run(connection, sql, args, **kind)[0][0]


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
    ok("MariaDB names itself", ("MariaDB" in connection.server_info) == (FLAVOR == "mariadb"), connection.server_info)
    offered = not PURE or connection._handshake["capabilities"] & ClientFlag.COMPRESS
    connection.close()
    bare = connect(database=None)
    eq("no schema", None, one(bare, "SELECT DATABASE()"))
    bare.close()
    # A small result only: of large compressed ones this driver loses the frame borders, on direct connections too.
    # It also compresses when the server offered no such thing, and then waits for ever: ask only where it is offered.
    if offered:
        packed = connect(compress=True)
        eq("with compression, if offered", "z" * 5000, one(packed, "SELECT REPEAT('z', 5000)"))
        packed.close()


# Without TLS the C extension cannot do caching_sha2_password's full exchange, which a wrong password asks for.
DENIED = 1045 if PURE or TLS else (1045, 2061)


@suite.feature
def wrong_password():
    fails("wrong password", DENIED, lambda: connect(password=PASSWORD + "x"))
    fails("empty password", 1045, lambda: connect(password=""))
    fails("unknown user", DENIED, lambda: connect(user="nobody_" + USER))
    fails("unknown schema", (1044, 1049), lambda: connect(database="no_such_schema"))


def check_types(connection, table, rows):
    eq("the server's own verdict", 111, int(one(connection, shared_sql("types_check.sql", table))))
    check_rows([list(map(plain, NAMES, row)) for row in rows])


def plain(name, value):
    """The driver's own forms: SET columns as sets, MariaDB's JSON and binary text as bytes."""
    if isinstance(value, (set, frozenset)):
        return ",".join(sorted(value))
    if isinstance(value, (bytes, bytearray)) and name not in ("bl", "bn"):
        value = value.decode()
    if name == "bu" and value is not None:
        return int(value)
    if name == "tm" and isinstance(value, str):
        hours, minutes, seconds = value.lstrip("-").split(":")
        time_of = datetime.timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
        return -time_of if value.startswith("-") else time_of
    return bytes(value) if isinstance(value, bytearray) else value


def types_table(connection, name):
    table = PRE + name
    run(connection, "SET time_zone = '+00:00'")
    run(connection, f"DROP TABLE IF EXISTS {table}")
    run(connection, shared_sql("types_create.sql", table))
    return table


def insert_values(connection, table, **kind):
    for row in EXPECTED:
        row = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in row]
        if row[0] == 2:
            row[NAMES.index("tm")] = "-123:04:05.678901"  # the driver sends a negative timedelta wrongly
        if kind and not PURE:
            # The C extension sends nothing over 2^63 - 1, doubles as floats and any timedelta as 00:00:00.
            for name in ("bu", "d", "tm"):
                row[NAMES.index(name)] = row[NAMES.index(name)] and str(row[NAMES.index(name)])
        run(connection, f"INSERT INTO {table} VALUES ({','.join(['%s'] * 25)})", row, **kind)


@suite.feature
def text():
    connection = connect()
    table = types_table(connection, "text")
    run(connection, shared_sql("types_insert.sql", table))
    check_types(connection, table, run(connection, f"SELECT * FROM {table} ORDER BY id"))
    run(connection, f"DELETE FROM {table}")
    insert_values(connection, table)
    check_types(connection, table, run(connection, f"SELECT * FROM {table} ORDER BY id"))
    drop(connection, table)


@suite.feature
def prepared():
    connection = connect()
    table = types_table(connection, "prepared")
    insert_values(connection, table, prepared=True)
    # What the driver cannot read from a binary row: YEAR, a negative TIME, and (C extension) more than 2^63 - 1.
    casts = {"yr": "CAST(yr AS SIGNED)", "tm": "CAST(tm AS CHAR(20))", "bu": "bu" if PURE else "CAST(bu AS CHAR(20))"}
    columns = ", ".join(casts.get(name, name) for name in NAMES)
    check_types(connection, table, run(connection, f"SELECT {columns} FROM {table} WHERE id > %s ORDER BY id", (0,), prepared=True))
    cursor = connection.cursor(prepared=True)
    select = f"SELECT id, bl FROM {table} WHERE bi = %s OR vc = %s"
    for args, want in (((9223372036854775807, "none"), 1), ((7, ""), 2), ((-9223372036854775808, "x"), 2)):
        cursor.execute(select, args)
        eq(f"again with {args}", [want], [row[0] for row in cursor.fetchall()])
    cursor.close()
    # The C extension loses the code of an error in a prepared statement.
    lost = () if PURE else ("Failed raising error.",)
    fails("error in prepare", (1064,) + lost, lambda: run(connection, "SELEKT %s", (1,), prepared=True))
    fails("error in execute", (1062,) + lost, lambda: run(connection, f"INSERT INTO {table} (id) VALUES (%s)", (1,), prepared=True))
    eq("afterwards", 3, one(connection, f"SELECT COUNT(*) FROM {table}", (), prepared=True))
    drop(connection, table)


@suite.feature
def big_result():
    connection = connect()
    check_big(run(connection, shared_sql("big.sql")))
    check_big(run(connection, shared_sql("big.sql"), (), prepared=True))
    eq("afterwards", 1, one(connection, "SELECT 1"))
    connection.close()


@suite.feature
def big_packet():
    connection = connect()
    table = fresh(connection, "big_packet", "id INT PRIMARY KEY, b LONGBLOB")
    blob = pattern(20 * MIB)
    run(connection, f"INSERT INTO {table} VALUES (1, %s)", (blob,))
    run(connection, f"INSERT INTO {table} VALUES (2, %s)", (pattern(20 * MIB, 3),), prepared=True)
    # The pure driver reads a binary row of more than one packet only up to 16 MiB.
    for kind in ({},) if PURE else ({}, {"prepared": True}):
        for number, want in ((1, blob), (2, pattern(20 * MIB, 3))):
            size, back = run(connection, f"SELECT LENGTH(b), b FROM {table} WHERE id = %s", (number,), **kind)[0]
            eq("stored length", 20 * MIB, size)
            ok(f"20 MiB blob {number} round trip {kind}", back == want, back)
    literal = letters(20 * MIB)
    ok("20 MiB literal round trip", one(connection, f"SELECT '{literal}' AS v") == literal)
    around = len("SELECT LENGTH('')")
    for size in EDGE_TEXT:
        eq(f"a statement of {size} bytes", size - around, one(connection, f"SELECT LENGTH('{letters(size - around)}')"))
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
                      (f"SELECT nope FROM {table}", 1054)):
        fails(sql, code, lambda sql=sql: run(connection, sql))
        eq(f"after error {code}", 1, one(connection, f"SELECT id FROM {table}"))
    run(connection, f"INSERT INTO {table} VALUES (2)")
    among = f"SELECT t.id, (SELECT u.id FROM {table} u WHERE u.id <= t.id) FROM {table} t ORDER BY t.id"
    # After an error among binary rows the driver believes that a result is still unread: text only.
    for kind in ({},):
        fails(f"error among rows {kind}", 1242, lambda: run(connection, among, (), **kind))
        eq("after an error among rows", 2, one(connection, f"SELECT COUNT(*) FROM {table}"))
    try:
        run(connection, f"INSERT INTO {table} VALUES (1)")
    except mysql.connector.Error as error:
        eq("SQLSTATE", "23000", error.sqlstate)
        ok("the server's own message", "Duplicate entry '1'" in error.msg, error.msg)
    drop(connection, table)


@suite.feature
def transaction():
    a, b = connect(autocommit=False), connect()
    table = fresh(b, "transaction", "id INT PRIMARY KEY, v INT")
    count = f"SELECT COUNT(*) FROM {table}"
    a.start_transaction(isolation_level="REPEATABLE READ", consistent_snapshot=True)
    run(a, f"INSERT INTO {table} VALUES (1, 1)")
    ok("in_transaction", a.in_transaction)
    eq("own write", 1, one(a, count))
    eq("others see nothing before COMMIT", 0, one(b, count))
    a.commit()
    ok("in_transaction after COMMIT", not a.in_transaction)
    eq("others see it after COMMIT", 1, one(b, count))
    run(a, f"INSERT INTO {table} VALUES (%s, %s)", (2, 2), prepared=True)
    a.rollback()
    eq("after ROLLBACK", 1, one(a, count))
    a.commit()
    a.start_transaction()
    eq("snapshot", 1, one(a, count, (), prepared=True))
    run(b, f"INSERT INTO {table} VALUES (3, 3)")
    eq("the snapshot stays", 1, one(a, count, (), prepared=True))
    a.commit()
    eq("a new snapshot", 2, one(a, count))
    a.commit()
    run(a, "START TRANSACTION READ ONLY")
    fails("write in a READ ONLY transaction", 1792, lambda: run(a, f"INSERT INTO {table} VALUES (9, 9)"))
    a.rollback()
    a.start_transaction(isolation_level="READ COMMITTED")
    eq("READ COMMITTED, before", 2, one(a, count))
    run(b, f"INSERT INTO {table} VALUES (4, 4)")
    eq("READ COMMITTED, after", 3, one(a, count))
    a.rollback()
    a.start_transaction()
    run(a, f"UPDATE {table} SET v = 7 WHERE id = 1")
    run(b, "SET SESSION innodb_lock_wait_timeout = 1")
    fails("lock wait", 1205, lambda: run(b, f"UPDATE {table} SET v = 9 WHERE id = 1"))
    a.close()
    time.sleep(0.2)
    eq("nothing left of a lost transaction", 1, one(b, f"SELECT v FROM {table} WHERE id = 1"))
    drop(b, table)


@suite.feature
def multi_statement():
    connection = connect()
    table = fresh(connection, "multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    sql = f"INSERT INTO {table} (v) VALUES (1),(2); SELECT v FROM {table} ORDER BY v; UPDATE {table} SET v = v + 1; SELECT 'end'"
    cursor = connection.cursor()
    seen = []
    cursor.execute(sql)
    while True:
        seen.append(cursor.fetchall() if cursor.with_rows else cursor.rowcount)
        if not cursor.nextset():
            break
    eq("four results", [2, [(1,), (2,)], 2, [("end",)]], seen)
    cursor.close()
    cursor = connection.cursor()
    cursor.execute("SELECT 1; SELEKT 2; SELECT 3")
    eq("before the error", [(1,)], cursor.fetchall())
    fails("error in the second statement", 1064, cursor.nextset)
    cursor.close()
    eq("afterwards", 2, one(connection, f"SELECT COUNT(*) FROM {table}"))
    drop(connection, table)


@suite.feature
def procedure():
    connection = connect()
    run(connection, f"DROP PROCEDURE IF EXISTS {PRE}proc")
    run(connection, f"CREATE PROCEDURE {PRE}proc(IN n INT, OUT twice INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; SET twice = 2 * n; END")
    cursor = connection.cursor()
    eq("OUT parameter", (20, 40), tuple(cursor.callproc(f"{PRE}proc", (20, 0))))
    eq("two result sets", [[(20,)], [(21, "x")]], [result.fetchall() for result in cursor.stored_results()])
    cursor.close()
    eq("afterwards", 1, one(connection, "SELECT 1"))
    run(connection, f"DROP PROCEDURE {PRE}proc")
    connection.close()


@suite.feature
def load_data():
    connection = connect()
    table = fresh(connection, "load", "id INT PRIMARY KEY, name VARCHAR(40), v INT")

    def load(name, to=table):
        cursor = connection.cursor()
        try:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{name}' INTO TABLE {to}")
            return cursor.rowcount
        finally:
            cursor.close()

    eq("affected", LOAD_COUNT, load(LOAD_FILE))
    row = run(connection, f"SELECT COUNT(*), SUM(id), SUM(v IS NULL), SUM(v), MAX(IF(id = 777, name, '')) FROM {table}")[0]
    eq("rows", (LOAD_COUNT, LOAD_SUM, LOAD_NULLS, LOAD_VALUES, "line 777"), tuple(map(int, row[:4])) + row[4:])
    fails("no such table", 1146, lambda: load(LOAD_FILE, table + "_none"))
    eq("after the error", 1, one(connection, "SELECT 1"))
    fails("no such file", (-1, 2, 2068), lambda: load("/no/such/file"))
    with tempfile.NamedTemporaryFile() as none:
        if PURE:
            # After a missing file this driver leaves its connection between two packets: take another.
            connection.shutdown()
            connection = connect()
        eq("an empty file", 0, load(none.name))
    eq("after no file", LOAD_COUNT, one(connection, f"SELECT COUNT(*) FROM {table}"))
    drop(connection, table)


@suite.feature
def charset():
    connection = connect()
    table = fresh(connection, "charset", "id INT PRIMARY KEY, s VARCHAR(100)")
    word = "naïve €-中文-🚂🎉"
    run(connection, f"INSERT INTO {table} VALUES (1, %s)", (word,), prepared=True)
    eq("stored as utf8mb4", word.encode().hex().upper(), one(connection, f"SELECT HEX(s) FROM {table}"))
    eq("utf8mb4 back", word, one(connection, f"SELECT s FROM {table}"))
    eq("utf8mb4 back, prepared", word, one(connection, f"SELECT s FROM {table}", (), prepared=True))
    latin = connect(charset="latin1", collation="latin1_swedish_ci")
    eq("character set", "latin1", one(latin, "SELECT @@character_set_client"))
    run(latin, f"INSERT INTO {table} VALUES (2, %s)", ("café",))
    if PURE:  # the C extension sends prepared parameters as utf8mb4 whatever the character set
        run(latin, f"INSERT INTO {table} VALUES (3, %s)", ("café",), prepared=True)
    for number in (2, 3) if PURE else (2,):
        eq("latin1 back", "café", one(latin, f"SELECT s FROM {table} WHERE id = {number}"))
        eq("latin1 sent, utf8mb4 stored", "636166C3A9", one(latin, f"SELECT HEX(s) FROM {table} WHERE id = {number}"))
    latin.set_charset_collation("utf8mb4", "utf8mb4_general_ci")
    eq("after SET NAMES", word, one(latin, f"SELECT s FROM {table} WHERE id = 1"))
    latin.close()
    drop(connection, table)


def soil(connection):
    """State that a reset must clear."""
    run(connection, "SET @v = 42, SESSION group_concat_max_len = 777")
    run(connection, f"CREATE TEMPORARY TABLE {PRE}temp (id INT)")
    run(connection, f"INSERT INTO {PRE}temp VALUES (1)")
    eq("user variable", 42, one(connection, "SELECT @v"))


def check_clean(connection, schema):
    eq("user variable", None, one(connection, "SELECT @v"))
    ok("session variable", one(connection, "SELECT @@group_concat_max_len") != 777)
    eq("schema", schema, one(connection, "SELECT DATABASE()"))
    fails("temporary table", 1146, lambda: run(connection, f"SELECT * FROM {DATABASE}.{PRE}temp"))


@suite.feature
def change_user():
    connection = connect()
    for _ in range(3):
        soil(connection)
        connection.cmd_change_user(USER, PASSWORD, DATABASE)
        check_clean(connection, DATABASE)
    connection.cmd_change_user(USER, PASSWORD, "information_schema")
    check_clean(connection, "information_schema")
    run(connection, f"USE {DATABASE}")
    fails("wrong password", DENIED, lambda: connection.cmd_change_user(USER, PASSWORD + "x", DATABASE))
    try:
        connection.close()
    except mysql.connector.Error:
        pass  # the server may have closed it
    other = connect()
    eq("others are not disturbed", 1, one(other, "SELECT 1"))
    other.close()


@suite.feature
def reset_connection():
    connection = connect()
    table = fresh(connection, "reset", "id INT")
    run(connection, "USE information_schema")
    run(connection, f"USE {DATABASE}")
    for _ in range(3):
        soil(connection)
        run(connection, "START TRANSACTION")
        run(connection, f"INSERT INTO {table} VALUES (1)")
        connection.cmd_reset_connection()
        check_clean(connection, DATABASE)
        eq("the open transaction is rolled back", 0, one(connection, f"SELECT COUNT(*) FROM {table}"))
    connection.reset_session(user_variables={"u": "x"}, session_variables={"group_concat_max_len": 888})
    eq("reset_session", ("x", 888), run(connection, "SELECT @u, @@group_concat_max_len")[0])
    drop(connection, table)


@suite.feature
def cursor():
    connection = connect()
    rows = connection.cursor(buffered=False)
    rows.execute(shared_sql("big.sql"))
    check_big(rows)
    rows.close()
    rows = connection.cursor(prepared=True)
    rows.execute(shared_sql("big.sql"))
    check_big(rows)
    rows.close()
    connection.close()
    return "unbuffered: the driver has no server-side cursor"


@suite.feature
def affected():
    connection = connect(client_flags=[-ClientFlag.FOUND_ROWS])
    table = fresh(connection, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
    for kind in ({}, {"prepared": True}):
        cursor = connection.cursor(**kind)
        cursor.execute(f"INSERT INTO {table} (v) VALUES (1),(2),(3)")
        eq("INSERT", 3, cursor.rowcount)
        first = cursor.lastrowid
        eq("last insert id", one(connection, f"SELECT MIN(id) FROM {table}"), first)
        eq("LAST_INSERT_ID()", first, one(connection, "SELECT LAST_INSERT_ID()"))
        cursor.execute(f"UPDATE {table} SET v = 2")
        eq("UPDATE: changed", 2, cursor.rowcount)
        cursor.execute(f"INSERT IGNORE INTO {table} (v) VALUES (1000), (2000), (4)")
        eq("warning count", 2, cursor.warning_count)
        eq("SHOW WARNINGS", [1264, 1264], [row[1] for row in run(connection, "SHOW WARNINGS")])
        cursor.execute(f"DELETE FROM {table}")
        eq("DELETE", 6, cursor.rowcount)
        cursor.close()
    connection.get_warnings = True
    cursor = connection.cursor()
    cursor.execute("SELECT CAST('abc' AS SIGNED)")
    cursor.fetchall()
    eq("a SELECT's warnings", [1292], [row[1] for row in cursor.warnings or ()])
    cursor.close()
    drop(connection, table)
    found = connect(client_flags=[ClientFlag.FOUND_ROWS])
    table = fresh(found, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
    run(found, f"INSERT INTO {table} (v) VALUES (1),(2),(3)")
    cursor = found.cursor()
    cursor.execute(f"UPDATE {table} SET v = 2")
    eq("UPDATE with CLIENT_FOUND_ROWS: matched", 3, cursor.rowcount)
    cursor.close()
    drop(found, table)


@suite.feature
def ping():
    connection = connect()
    for _ in range(100):
        connection.ping(reconnect=False)
    ok("is_connected", connection.is_connected())
    ok("statistics", "Uptime" in str(connection.cmd_statistics()), connection.cmd_statistics())
    eq("afterwards", 1, one(connection, "SELECT 1"))
    connection.close()
    ok("is_connected after close", not connection.is_connected())


@suite.feature
def schema():
    connection = connect()
    table = fresh(connection, "schema", "id INT")
    connection.cmd_init_db("information_schema")
    eq("COM_INIT_DB", "information_schema", one(connection, "SELECT DATABASE()"))
    fails("the table is elsewhere", (1109, 1146), lambda: run(connection, f"SELECT * FROM {table}"))
    run(connection, f"USE {DATABASE}")
    eq("USE", DATABASE, one(connection, "SELECT DATABASE()"))
    eq("rows", [], run(connection, f"SELECT * FROM {table}"))
    fails("unknown schema", (1044, 1049), lambda: connection.cmd_init_db("no_such_schema"))
    eq("stays after the error", DATABASE, one(connection, "SELECT DATABASE()"))
    drop(connection, table)


@suite.feature
def kill_query():
    connection, other = connect(), connect()
    table = fresh(connection, "kill", "id INT")
    run(connection, f"INSERT INTO {table} VALUES (1), (2)")
    for name, number in (("the greeting's id", connection.connection_id), ("CONNECTION_ID()", one(connection, "SELECT CONNECTION_ID()"))):
        outcome = []

        def sleep():
            try:
                outcome.append(run(connection, f"SELECT SLEEP(20), id FROM {table}"))
            except mysql.connector.Error as error:
                outcome.append(error.errno)

        thread = threading.Thread(target=sleep)
        thread.start()
        await_sleep(other, table)
        began = time.monotonic()
        run(other, f"KILL QUERY {number}")
        thread.join()
        eq(f"KILL QUERY by {name}: the statement's error", 1317, outcome[0])
        ok(f"KILL QUERY by {name}: ends soon", time.monotonic() - began < 10, time.monotonic() - began)
        eq("afterwards", 2, one(connection, f"SELECT COUNT(*) FROM {table}"))
    other.cmd_process_kill(connection.connection_id)
    # A connection that was killed while idle says so, or is just gone.
    fails("after COM_PROCESS_KILL", (-1, 2013, 2006, 2055, 1927, 4031), lambda: run(connection, "SELECT 1"))
    drop(other, table)


def await_sleep(other, table):
    for _ in range(600):
        if one(other, f"SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE 'SELECT SLEEP(20), id FROM {table}%'"):
            return
        time.sleep(0.05)
    ok("the statement to kill is in the process list", False, "nothing in 600 looks")


@suite.feature
def prepare_cycles():
    connection = connect()
    for n in range(1000):
        eq(f"cycle {n}", n + 7, one(connection, f"SELECT %s + {n}", (7,), prepared=True))
    kept = [connection.cursor(prepared=True) for _ in range(100)] if PURE else []
    for n, cursor in enumerate(kept):
        cursor.execute(f"SELECT {n}, %s", (n,))
        cursor.fetchall()
    for n, cursor in reversed(list(enumerate(kept))):
        cursor.execute(f"SELECT {n}, %s", (-n,))
        eq("100 statements open at once", [(n, -n)], cursor.fetchall())
    connection.close()


@suite.feature
def empty():
    connection = connect()
    table = fresh(connection, "empty", "id INT, s VARCHAR(10)")
    for kind in ({}, {"prepared": True}):
        cursor = connection.cursor(**kind)
        cursor.execute(f"SELECT * FROM {table}")
        eq("columns", ["id", "s"], [column[0] for column in cursor.description])
        eq("fetch", [], cursor.fetchall())
        cursor.close()
        eq("empty and NULL", [("", None)], run(connection, "SELECT '', NULL", () if kind else None, **kind))
        eq("DO", [], run(connection, "DO 1", () if kind else None, **kind))
        wide = run(connection, "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(500)), () if kind else None, **kind)
        eq("500 columns", tuple(range(500)), wide[0])
    drop(connection, table)


suite.has_not("pipeline", "the driver waits for each answer")
suite.run()

"""The `mariadb` or `mysql` command line, run as a user runs it: `client.py NAME PROGRAM`."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pylib"))
from suite import *

NAME, PROGRAM = sys.argv[1], sys.argv[2]
suite = Suite(NAME)
PRE = NAME + "_cli_"
ORACLE = NAME == "mysql"
if TLS:
    CHANNEL = ["--ssl-mode=REQUIRED"] if ORACLE else ["--ssl"]
else:
    CHANNEL = ["--ssl-mode=DISABLED", "--get-server-public-key"] if ORACLE else ["--skip-ssl"]
QUIET = "Using a password on the command line interface can be insecure"


class Failed(Exception):
    def __init__(self, errno, text, rows):
        super().__init__(text)
        self.errno, self.rows = errno, rows


def start(sql, *options, user=USER, password=PASSWORD, database=DATABASE, program=PROGRAM):
    command = [program, "--no-defaults", "-h", HOST, "-P", str(PORT), "--protocol=tcp", f"-u{user}", f"-p{password}", *CHANNEL,
               "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4", "--max-allowed-packet=64M",
               "--local-infile=1", *(["--commands"] if ORACLE else []), *options]
    process = subprocess.Popen(command + ([database] if database else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.sql = sql.encode() if isinstance(sql, str) else sql
    return process


def end(process):
    out, err = process.communicate(process.sql)
    err = "\n".join(line for line in err.decode(errors="replace").splitlines() if QUIET not in line)
    if process.returncode:
        code = re.search(r"ERROR (\d+)", err)
        raise Failed(int(code.group(1)) if code else -process.returncode, err, out)
    return out


def raw(sql, *options, **login):
    return end(start(sql, *options, **login))


def run(sql, *options, **login):
    """The rows, as lists of text."""
    out = raw(sql, *options, **login).decode()
    return [line.split("\t") for line in out.splitlines()]


def fresh(name, columns):
    table = PRE + name
    run(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns}) CHARACTER SET utf8mb4")
    return table


def drop(table):
    run(f"DROP TABLE {table}")


@suite.feature
def login():
    eq("schema and user", [[DATABASE, USER]], run("SELECT DATABASE(), SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"))
    eq("no schema", [["NULL"]], run("SELECT DATABASE()", database=None))
    status = raw("status", "--skip-raw").decode()
    ok("status shows the connection", f"TCP/IP" in status and re.search(r"Connection id:\s+\d+", status), status)
    version = run("SELECT VERSION()")[0][0]
    ok("status shows the greeting's version", version.split("-")[0] in status, status)
    eq("with compression, if offered", [["z" * 5000]], run("SELECT REPEAT('z', 5000)", "--compress"))


@suite.feature
def wrong_password():
    fails("wrong password", 1045, lambda: run("SELECT 1", password=PASSWORD + "x"))
    fails("empty password", 1045, lambda: run("SELECT 1", "--skip-password", password="x") if not ORACLE else run("SELECT 1", "--skip-password"))
    fails("unknown user", 1045, lambda: run("SELECT 1", user="nobody_" + USER))
    fails("unknown schema", (1044, 1049), lambda: run("SELECT 1", database="no_such_schema"))


@suite.feature
def text():
    table = PRE + "text"
    run(f"SET time_zone = '+00:00'; DROP TABLE IF EXISTS {table}; {shared_sql('types_create.sql', table)}; {shared_sql('types_insert.sql', table)}")
    eq("the server's own verdict", [["111"]], run("SET time_zone = '+00:00'; " + shared_sql("types_check.sql", table)))
    rows = run(f"SET time_zone = '+00:00'; SELECT id, ti, tu, si, mi, i, iu, bi, bu, f, de, vc, ch, HEX(bl), HEX(bn), dt, dtm, ts, tm, yr, en, st FROM {table} ORDER BY id")
    eq("row 1", ["1", "127", "255", "32767", "8388607", "2147483647", "4294967295", "9223372036854775807", "18446744073709551615", "1.5",
                 "12345678901234567890.0123456789", "héllo €", "abc", bytes(range(256)).hex().upper(), "0001FEFF", "2024-02-29",
                 "2024-12-31 23:59:59.123456", "2024-06-15 12:34:56", "12:34:56.500000", "2024", "b", "x,z"], rows[0])
    eq("row 2", ["2", "-128", "0", "-32768", "-8388608", "-2147483648", "0", "-9223372036854775808", "0", "-1.5", "-0.0000000001", "", "", "",
                 "00000000", "1000-01-01", "1000-01-01 00:00:00.000000", "2000-01-01 00:00:00", "-123:04:05.678901", "1901", "a", ""], rows[1])
    eq("row 3", ["3"] + ["NULL"] * 21, rows[2])
    eq("all bytes, raw", bytes(range(256)) + b"\n", raw(f"SELECT bl FROM {table} WHERE id = 1"))
    drop(table)


@suite.feature
def prepared():
    eq("PREPARE and EXECUTE", [["-4", "it's €x", "1"], ["6", "it's €x", "1"]], run(
        "PREPARE s FROM 'SELECT ? + 1, CONCAT(?, ''x''), ? IS NULL'; SET @a = -5, @b = 'it''s €', @c = NULL; "
        "EXECUTE s USING @a, @b, @c; SET @a = 5; EXECUTE s USING @a, @b, @c; DEALLOCATE PREPARE s"))
    fails("EXECUTE after DEALLOCATE", 1243, lambda: run("PREPARE s FROM 'SELECT 1'; DEALLOCATE PREPARE s; EXECUTE s"))
    return "as text: the command line has no binary protocol"


@suite.feature
def big_result():
    for option in ("--skip-quick", "--quick"):  # stored in the client, or read row by row
        check_big((int(row[0]), row[1]) for row in run(shared_sql("big.sql"), option))


@suite.feature
def big_packet():
    table = fresh("big_packet", "id INT PRIMARY KEY, b LONGTEXT")
    literal = letters(20 * MIB)
    eq("stored length", [[str(20 * MIB)]], run(f"INSERT INTO {table} VALUES (1, '{literal}'); SELECT LENGTH(b) FROM {table}"))
    back = raw(f"SELECT b FROM {table}").decode()
    ok("20 MiB round trip", back == literal + "\n", back)
    around = len("SELECT LENGTH('')")
    for size in EDGE_TEXT:
        eq(f"a statement of {size} bytes", [[str(size - around)]], run(f"SELECT LENGTH('{letters(size - around)}')"))
    for size in EDGE_ROW:
        back = raw(f"SELECT REPEAT('x', {size})")
        ok(f"a row with {size} bytes", back == b"x" * size + b"\n", back)
    drop(table)


@suite.feature
def errors():
    table = fresh("errors", "id INT PRIMARY KEY")
    run(f"INSERT INTO {table} VALUES (1), (2)")
    cases = (("SELEKT 1", 1064), (f"SELECT * FROM {table}_none", 1146), (f"INSERT INTO {table} VALUES (1)", 1062), (f"SELECT nope FROM {table}", 1054))
    for sql, code in cases:
        fails(sql, code, lambda sql=sql: run(sql))
    # With --force the connection carries on.
    process = start("; ".join(f"{sql}; SELECT {code}" for sql, code in cases), "--force")
    out, err = process.communicate(process.sql)
    eq("the statements after each error", [str(code) for _, code in cases], out.decode().split())
    eq("the errors", [str(code) for _, code in cases], re.findall(r"ERROR (\d+)", err.decode()))
    fails("error among rows", 1242, lambda: run(f"SELECT t.id, (SELECT u.id FROM {table} u WHERE u.id <= t.id) FROM {table} t ORDER BY t.id", "--quick"))
    drop(table)


@suite.feature
def transaction():
    table = fresh("transaction", "id INT PRIMARY KEY")
    count = f"SELECT COUNT(*) FROM {table}"
    eq("rollback", [["1"], ["0"]], run(f"BEGIN; INSERT INTO {table} VALUES (1); {count}; ROLLBACK; {count}"))
    eq("commit", [["1"]], run(f"SET autocommit = 0; INSERT INTO {table} VALUES (1); COMMIT; {count}"))
    run(f"BEGIN; INSERT INTO {table} VALUES (2)")
    time.sleep(0.2)
    eq("left without COMMIT", [["1"]], run(count))
    # While one connection holds its transaction open, another sees nothing of it.
    open_one = start("", "--unbuffered")
    open_one.stdin.write(f"BEGIN; INSERT INTO {table} VALUES (3); SELECT 'written';\n".encode())
    open_one.stdin.flush()
    eq("written", b"written\n", open_one.stdout.readline())
    eq("isolation", [["1"]], run(count))
    open_one.stdin.write(b"COMMIT; SELECT 'done';\n")
    open_one.stdin.flush()
    eq("committed", b"done\n", open_one.stdout.readline())
    eq("after COMMIT", [["2"]], run(count))
    open_one.communicate()
    drop(table)


@suite.feature
def multi_statement():
    # With another delimiter the program sends the whole text as one packet.
    table = fresh("multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT")
    eq("four results", [["1"], ["2"], ["2"], ["end"]], run(
        f"DELIMITER //\nINSERT INTO {table} (v) VALUES (1),(2); SELECT v FROM {table} ORDER BY v; UPDATE {table} SET v = v + 1; "
        "SELECT ROW_COUNT(); SELECT 'end'//\n"))
    try:
        run("DELIMITER //\nSELECT 1; SELEKT 2; SELECT 3//\n")
        raise Mismatch("error in the second statement: expected error 1064, got none")
    except Failed as error:
        eq("error in the second statement", (1064, b"1\n"), (error.errno, error.rows))
    drop(table)


@suite.feature
def procedure():
    eq("results and OUT parameter", [["20"], ["21", "x"], ["40"]], run(
        f"DROP PROCEDURE IF EXISTS {PRE}proc; \nDELIMITER //\n"
        f"CREATE PROCEDURE {PRE}proc(IN n INT, OUT twice INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; SET twice = 2 * n; END//\n"
        f"DELIMITER ;\nCALL {PRE}proc(20, @twice); SELECT @twice; DROP PROCEDURE {PRE}proc"))


@suite.feature
def load_data():
    table = fresh("load", "id INT PRIMARY KEY, name VARCHAR(40), v INT")
    load = f"LOAD DATA LOCAL INFILE '{LOAD_FILE}' INTO TABLE {table}"
    info = raw(load, "-vvv").decode()
    ok("info", "Records: 10000  Deleted: 0  Skipped: 0  Warnings: 0" in info and "10000 rows affected" in info, info)
    eq("rows", [[str(LOAD_COUNT), str(LOAD_SUM), str(LOAD_NULLS), str(LOAD_VALUES), "line 777"]], run(
        f"SELECT COUNT(*), SUM(id), SUM(v IS NULL), SUM(v), MAX(IF(id = 777, name, '')) FROM {table}"))
    fails("no such table", 1146, lambda: run(f"LOAD DATA LOCAL INFILE '{LOAD_FILE}' INTO TABLE {table}_none"))
    process = start(f"LOAD DATA LOCAL INFILE '/no/such/file' INTO TABLE {table}; SELECT 'alive'; {load}; SHOW COUNT(*) WARNINGS", "--force")
    out, err = process.communicate(process.sql)
    ok("no such file", re.search(rb"ERROR (2|29)\b", err), err)
    eq("after no file, and 10,000 duplicates", b"alive\n10000\n", out)
    with tempfile.NamedTemporaryFile() as none:
        eq("an empty file", [["0"]], run(f"LOAD DATA LOCAL INFILE '{none.name}' INTO TABLE {table}; SELECT ROW_COUNT()"))
    drop(table)


@suite.feature
def charset():
    table = fresh("charset", "id INT PRIMARY KEY, s VARCHAR(100)")
    word = "naïve €-中文-🚂🎉"
    eq("utf8mb4", [[word, word.encode().hex().upper()]], run(f"INSERT INTO {table} VALUES (1, '{word}'); SELECT s, HEX(s) FROM {table}"))
    latin = f"INSERT INTO {table} VALUES (2, 'café'); SELECT HEX(s), s, @@character_set_client FROM {table} WHERE id = 2".encode("latin1")
    eq("latin1", b"636166C3A9\tcaf\xe9\tlatin1\n", raw(latin, "--default-character-set=latin1"))
    eq("charset command", [[word]], run(f"charset utf8mb4\nSELECT s FROM {table} WHERE id = 1", "--default-character-set=latin1"))
    drop(table)


suite.has_not("change_user", "the command line has no COM_CHANGE_USER")


@suite.feature
def reset_connection():
    if not ORACLE:
        raise Skip("the mariadb command line has no COM_RESET_CONNECTION")
    eq("state after resetconnection", [["42"], ["NULL", DATABASE, "1"]], run(
        "SET @v = 42, SESSION group_concat_max_len = 777; SELECT @v;\nresetconnection\n"
        "SELECT @v, DATABASE(), @@group_concat_max_len <> 777"))
    fails("temporary table", 1146, lambda: run(f"CREATE TEMPORARY TABLE {PRE}temp (id INT);\nresetconnection\nSELECT * FROM {PRE}temp"))


@suite.feature
def cursor():
    # A cursor inside a procedure; the protocol's cursors are not for the command line.
    eq("sum by a cursor", [["6"]], run(
        f"DROP PROCEDURE IF EXISTS {PRE}cursor; \nDELIMITER //\nCREATE PROCEDURE {PRE}cursor() BEGIN DECLARE v, total INT DEFAULT 0; "
        "DECLARE done BOOL DEFAULT FALSE; DECLARE c CURSOR FOR SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3; "
        "DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE; OPEN c; l: LOOP FETCH c INTO v; IF done THEN LEAVE l; END IF; "
        f"SET total = total + v; END LOOP; CLOSE c; SELECT total; END//\nDELIMITER ;\nCALL {PRE}cursor(); DROP PROCEDURE {PRE}cursor"))
    return "inside a procedure"


@suite.feature
def affected():
    table = fresh("affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
    out = raw(f"INSERT INTO {table} (v) VALUES (1),(2),(3); UPDATE {table} SET v = 2; INSERT IGNORE INTO {table} (v) VALUES (1000), (2000)", "-vvv", "--show-warnings").decode()
    for want in ("3 rows affected", "Records: 3  Duplicates: 0  Warnings: 0", "2 rows affected", "Rows matched: 3  Changed: 2  Warnings: 0",
                 "2 rows affected, 2 warnings", "Out of range value for column 'v' at row 2"):
        ok(f"shows {want!r}", want in out, out)
    eq("LAST_INSERT_ID()", [["1"]], run(f"INSERT INTO {table} (v) VALUES (9), (10); SELECT LAST_INSERT_ID() = MAX(id) - 1 FROM {table}"))
    eq("ROW_COUNT()", [["2"]], run(f"UPDATE {table} SET v = 11 WHERE v IN (9, 10); SELECT ROW_COUNT()"))
    warnings = run("SELECT CAST('abc' AS SIGNED); SHOW WARNINGS")
    eq("SHOW WARNINGS", ["Warning", "1292"], warnings[1][:2])
    drop(table)


@suite.feature
def ping():
    admin = os.path.join(os.path.dirname(PROGRAM), "mysqladmin" if ORACLE else "mariadb-admin")
    if not (os.path.isabs(admin) and os.access(admin, os.X_OK)):
        raise Skip(f"no {os.path.basename(admin)} beside {PROGRAM}")

    def call(*words):
        base = [admin, "--no-defaults", "-h", HOST, "-P", str(PORT), "--protocol=tcp", f"-u{USER}", f"-p{PASSWORD}", *CHANNEL]
        done = subprocess.run(base + list(words), capture_output=True, text=True)
        return done.stdout

    ok("ping", "is alive" in call("ping"), call("ping"))
    ok("status (COM_STATISTICS)", "Uptime:" in call("status") and "Threads:" in call("status"), call("status"))


@suite.feature
def schema():
    table = fresh("schema", "id INT")
    eq("use and USE", [["information_schema"], [DATABASE], ["0"]], run(
        f"\\u information_schema\nSELECT DATABASE(); USE {DATABASE};\nSELECT DATABASE(); SELECT COUNT(*) FROM {table}"))
    fails("the table is elsewhere", (1109, 1146), lambda: run(f"use information_schema\nSELECT * FROM {table}"))
    fails("unknown schema", (1044, 1049), lambda: run("use no_such_schema"))
    # Completion asks for the columns of each table (COM_FIELD_LIST), or for the tables.
    eq("with --auto-rehash", [["1"]], run("SELECT 1", "--auto-rehash"))
    drop(table)


@suite.feature
def kill_query():
    table = fresh("kill", "id INT")
    run(f"INSERT INTO {table} VALUES (1), (2)")
    sleeper = start("", "--force", "--unbuffered")
    sleeper.stdin.write(f"SELECT CONNECTION_ID(); SELECT SLEEP(20), id FROM {table}; SELECT 'alive';\n".encode())
    sleeper.stdin.close()
    number = int(sleeper.stdout.readline())
    for _ in range(600):
        if run(f"SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE 'SELECT SLEEP(20), id FROM {table}%'") == [["1"]]:
            break
        time.sleep(0.05)
    else:
        ok("the statement to kill is in the process list", False, "nothing in 600 looks")
    began = time.monotonic()
    run(f"KILL QUERY {number}")
    out = sleeper.stdout.read()
    err = sleeper.stderr.read()
    sleeper.wait()
    ok("ends soon", time.monotonic() - began < 10, time.monotonic() - began)
    ok("error 1317", b"ERROR 1317" in err, err)
    eq("the connection lives", b"alive\n", out[-6:])
    drop(table)


@suite.feature
def prepare_cycles():
    out = run("; ".join(f"PREPARE s{n} FROM 'SELECT ? + {n}'; SET @a = {n}; EXECUTE s{n} USING @a; DEALLOCATE PREPARE s{n}" for n in range(1000)))
    eq("1,000 cycles", [[str(2 * n)] for n in range(1000)], out)
    return "as text"


@suite.feature
def empty():
    table = fresh("empty", "id INT, s VARCHAR(10)")
    eq("no rows, nothing at all, then one", [["", "NULL"]], run(f"SELECT * FROM {table}; DO 1; SELECT '', NULL"))
    eq("500 columns", [[str(n) for n in range(500)]], run("SELECT " + ", ".join(f"{n} AS c{n}" for n in range(500))))
    drop(table)


suite.has_not("pipeline", "the command line waits for each answer")


@suite.feature
def dump():
    name = "mysqldump" if ORACLE else "mariadb-dump"
    program = os.path.join(os.path.dirname(PROGRAM), name)
    if not (os.path.isabs(program) and os.access(program, os.X_OK)):
        raise Skip(f"no {name} beside {PROGRAM}")
    table = PRE + "dump"
    run(f"SET time_zone = '+00:00'; DROP TABLE IF EXISTS {table}; {shared_sql('types_create.sql', table)}; {shared_sql('types_insert.sql', table)}")
    command = [program, "--no-defaults", "-h", HOST, "-P", str(PORT), "--protocol=tcp", f"-u{USER}", f"-p{PASSWORD}", *CHANNEL,
               "--single-transaction", "--no-tablespaces", "--hex-blob", "--default-character-set=utf8mb4", DATABASE, table]
    if ORACLE:
        command.insert(-2, "--set-gtid-purged=OFF")
        command.insert(-2, "--column-statistics=0")
    done = subprocess.run(command, capture_output=True)
    # MySQL 9.7 also asks for masking policies, which this account may not read.
    eq(f"{name} ends well", (0, b""), (done.returncode, b"\n".join(
        line for line in done.stderr.splitlines() if QUIET.encode() not in line and b"masking policies" not in line)))
    run(f"DROP TABLE {table}")
    raw(done.stdout)
    eq("restored", [["111"]], run("SET time_zone = '+00:00'; " + shared_sql("types_check.sql", table)))
    drop(table)


suite.run()

-- attack: a file behind NULL without a gap | both
SELECT \NINTO OUTFILE '/dir/1'
-- attack: a file behind NULL without a gap | both
SELECT \NINTO DUMPFILE '/dir/2'
-- attack: a file behind NULL and a name | both
SELECT 1, \NINTO/**/OUTFILE '/dir/3'
-- attack: a file behind a variable whose name ends in a dot | both
SELECT @a. INTO OUTFILE '/dir/4'
-- attack: a file behind a variable whose name ends in a dot | both
SELECT 1, @a. INTO DUMPFILE '/dir/5'
-- attack: a file behind a variable whose name ends in a dot | both
SELECT @a.b. INTO OUTFILE '/dir/6'
-- attack: a file behind an empty variable | both
SELECT @ INTO OUTFILE '/dir/7'
-- attack: a file behind quoted empty variables | both
SELECT @`` INTO OUTFILE '/dir/8'
-- attack: a file | both
SELECT 1 INTO OUTFILE '/dir/9'
-- attack: a file in the middle of a query | both
SELECT 1 INTO OUTFILE '/dir/10' FROM DUAL
-- attack: a file in parentheses | both
(SELECT 1) INTO OUTFILE '/dir/11'
-- attack: a file in parentheses | both
(SELECT 1 INTO OUTFILE '/dir/12')
-- attack: a file behind a union | both
SELECT 1 UNION SELECT 2 INTO OUTFILE '/dir/13'
-- attack: a file of a table | mysql
TABLE t INTO OUTFILE '/dir/14'
-- attack: a file of values | mysql
VALUES ROW(1) INTO OUTFILE '/dir/15'
-- attack: a file of a CTE | both
WITH q AS (SELECT 1) SELECT * FROM q INTO OUTFILE '/dir/16'
-- attack: a file behind a number | both
SELECT 1.INTO OUTFILE '/dir/17'
-- attack: a file behind a number | both
SELECT 0x1INTO OUTFILE '/dir/18'
-- attack: a file behind a number | both
SELECT .5INTO OUTFILE '/dir/19'
-- attack: a file behind a number | both
SELECT 1e5INTO OUTFILE '/dir/20'
-- attack: a file behind a literal | both
SELECT 'a'INTO OUTFILE'/dir/21'
-- attack: a file behind a quoted name | both
SELECT`v`INTO OUTFILE '/dir/22' FROM t
-- attack: a file in a versioned comment | both
SELECT 1 /*!50000 INTO OUTFILE '/dir/23' */
-- attack: a file in parts of versioned comments | both
SELECT 1 /*!50000 INTO */ OUTFILE '/dir/24'
-- attack: a file behind a skipped comment | both
SELECT 1 INTO /*!99999 @a -- */ OUTFILE '/dir/25'
-- attack: a file behind a comment of the other server | both
SELECT 1 INTO /*M!999999 @x, */ OUTFILE '/dir/26'
-- attack: a file behind a comment with six digits | both
SELECT 1 /*!101100 INTO OUTFILE '/dir/27' */
-- attack: a file behind nested comments | both
SELECT 1 /*!50000 /* nothing */ INTO OUTFILE '/dir/28' */
-- attack: a file behind an unfinished hint | both
SELECT /*+ QB_NAME(`*/ '`) */ 1 INTO OUTFILE '/dir/29' -- ' */
-- attack: a file behind a line comment without a gap | both
SELECT 1 --1 INTO OUTFILE '/dir/30'
-- attack: a file behind a control character | both
SELECT 1 --<01> INTO OUTFILE '/dir/31'
-- attack: a file behind a no-break space | both
SELECT 1<A0>INTO OUTFILE '/dir/32'
-- attack: a file behind a vertical tab | both
SELECT 1<0B>INTO<0C>OUTFILE '/dir/33'
-- attack: a file behind NUL | both
SELECT 1 <00>INTO OUTFILE '/dir/34'
-- attack: a file, prepared in text | both
PREPARE p FROM 'SELECT 1 INTO OUTFILE ''/dir/35'''
-- then
EXECUTE p
-- attack: a file, prepared from a variable | both
SET @s = CONCAT('SELECT 1 INTO OUT', 'FILE ''/dir/36''')
-- then
PREPARE p FROM @s
-- then
EXECUTE p
-- attack: a file, prepared with escapes | both
PREPARE p FROM 'SELECT \\NINTO OUTFILE \'/dir/37\''
-- then
EXECUTE p
-- attack: a file by EXECUTE IMMEDIATE | mariadb
EXECUTE IMMEDIATE CONCAT('SELECT 1 INTO OUT', 'FILE ''/dir/38''')
-- attack: a file by EXECUTE IMMEDIATE | mariadb
EXECUTE IMMEDIATE 'SELECT 1 INTO OUT' 'FILE ''/dir/39'''
-- attack: a file with a backtick that is a letter | both
SET NAMES swe7
-- then
SELECT @a` INTO OUTFILE '/dir/40' #`
-- attack: a file with a backtick that is a letter, from the login on | both
-- collation: 10
SELECT @a` INTO OUTFILE '/dir/41' #`
-- attack: a file, prepared under another character set | both
SET character_set_connection = swe7
-- then
PREPARE p FROM 'SELECT ` INTO OUTFILE ''/dir/42'' #`'
-- then
SET @x = 1
-- then
EXECUTE p USING @x
-- attack: a file behind half a character of gbk | both
SET NAMES gbk
-- then
SELECT '<BF>\' INTO OUTFILE '/dir/43' -- '
-- attack: a file behind half a character of sjis | both
SET NAMES sjis
-- then
SELECT '<95>\' INTO OUTFILE '/dir/44' -- '
-- attack: a file behind half a character of big5 | both
SET NAMES big5
-- then
SELECT '<A1>\' INTO OUTFILE '/dir/45' -- '
-- attack: a file behind half a character of gb18030 | mysql
SET NAMES gb18030
-- then
SELECT '<BF>\' INTO OUTFILE '/dir/46' -- '
-- attack: a file behind a backtick as a second byte | both
SET NAMES gbk
-- then
SELECT `<BF>`,` INTO OUTFILE '/dir/47' -- `
-- attack: a file under ANSI_QUOTES | both
SET sql_mode = 'ANSI_QUOTES'
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/48' -- "
-- attack: a file under NO_BACKSLASH_ESCAPES | both
SET sql_mode = 'NO_BACKSLASH_ESCAPES'
-- then
SELECT '\' INTO OUTFILE '/dir/49' -- '
-- attack: a file in the same text as a change of the mode | both
SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\' INTO OUTFILE '/dir/50' -- '
-- attack: a file behind EXPLAIN | both
EXPLAIN SELECT 1 INTO OUTFILE '/dir/51'
-- attack: a file behind ANALYZE | mariadb
ANALYZE SELECT 1 INTO OUTFILE '/dir/52'
-- attack: a file behind DESCRIBE | mysql
DESC ANALYZE SELECT 1 INTO OUTFILE '/dir/53'
-- attack: a file in a subquery of SET | both
SET @a = (SELECT 1 INTO OUTFILE '/dir/54')
-- attack: a file in SHOW | both
SHOW TABLES INTO OUTFILE '/dir/55'
-- attack: a file behind PROCEDURE ANALYSE | mariadb
SELECT 1 INTO OUTFILE '/dir/56' FROM t PROCEDURE ANALYSE()
-- attack: a file behind FOR UPDATE | both
SELECT 1 FROM t FOR UPDATE INTO OUTFILE '/dir/57'
-- attack: a file behind LIMIT | both
SELECT 1 FROM t LIMIT 1 INTO DUMPFILE '/dir/58'
-- attack: a file in SET STATEMENT | mariadb
SET STATEMENT max_statement_time = 5 FOR SELECT 1 INTO OUTFILE '/dir/59'
-- attack: a file behind a role | both
SET ROLE NONE, @a = (SELECT 1 INTO OUTFILE '/dir/60')
-- attack: a file by a log | both
SET GLOBAL general_log_file = '/dir/61'
-- attack: a file as a label | both
l: SELECT 1 INTO OUTFILE '/dir/62'
-- attack: a setting behind a role | both
SET ROLE NONE, GLOBAL long_query_time = 7
-- attack: a setting behind a role | both
SET ROLE NONE, @@global.long_query_time = 7
-- attack: a setting behind a default role | both
SET ROLE DEFAULT, GLOBAL long_query_time = 7
-- attack: a setting behind names | both
SET NAMES utf8mb4, GLOBAL long_query_time = 7
-- attack: a setting behind names | both
SET NAMES utf8mb4 COLLATE utf8mb4_bin, @@global.long_query_time = 7
-- attack: a setting behind a character set | both
SET CHARACTER SET utf8mb4, GLOBAL long_query_time = 7
-- attack: a setting | both
SET GLOBAL long_query_time = 7
-- attack: a setting | both
SET @@global.long_query_time = 7
-- attack: a setting | both
SET @@GLOBAL . long_query_time := 7
-- attack: a setting in quotes | both
SET @@`global`.`long_query_time` = 7
-- attack: a setting in a versioned comment | both
SET /*!50000 GLOBAL */ long_query_time = 7
-- attack: a setting behind a session's one | both
SET SESSION long_query_time = 5, GLOBAL long_query_time = 7
-- attack: a setting behind a subquery | both
SET @a = (SELECT 1, 2 FROM t LIMIT 1), GLOBAL long_query_time = 7
-- attack: a setting behind a variable whose name ends in a dot | both
SET @a. = 1, GLOBAL long_query_time = 7
-- attack: a setting behind NULL | both
SET @a = \N, GLOBAL long_query_time = 7
-- attack: a setting behind a row | both
SET @a = ROW(1, 2), GLOBAL long_query_time = 7
-- attack: a setting behind a literal with two parts | both
SET @a = 'x' 'y', @@global.long_query_time = 7
-- attack: a setting under swe7 | both
SET NAMES swe7
-- then
SET @a` = 1, GLOBAL long_query_time = 7 #`
-- attack: a setting for ever | mysql
SET PERSIST long_query_time = 7
-- attack: a setting for ever | mysql
SET ROLE NONE, PERSIST long_query_time = 7
-- attack: a setting for ever | mysql
SET @@persist_only.long_query_time = 7
-- attack: a setting by SET_VAR | mysql
SELECT /*+ SET_VAR(@@global.long_query_time = 7) */ 1
-- attack: a setting by a hint | mysql
SELECT /*+ SET_VAR(max_connections = 77) */ 1
-- attack: a setting in SET STATEMENT | mariadb
SET STATEMENT sort_buffer_size = 100000 FOR SET GLOBAL long_query_time = 7
-- attack: a setting in a block | mariadb
BEGIN NOT ATOMIC SET GLOBAL long_query_time = 7; END
-- attack: a setting in a block under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
BEGIN SET GLOBAL long_query_time = 7; END
-- attack: a setting in a block under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
DECLARE x INT; BEGIN SET GLOBAL long_query_time = 7; END
-- attack: an assignment as a statement under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
GLOBAL.long_query_time := 7
-- attack: a setting by IF | mariadb
IF 1 THEN SET GLOBAL long_query_time = 7; END IF
-- attack: a setting by CASE | mariadb
CASE WHEN 1 THEN SET GLOBAL long_query_time = 7; END CASE
-- attack: a setting by a loop | mariadb
FOR i IN 1..1 DO SET GLOBAL long_query_time = 7; END FOR
-- attack: a setting by a view | both
SELECT * FROM v_global
-- attack: a setting by a view of a view | both
SELECT COUNT(*) FROM t WHERE id IN (SELECT a FROM vv_global)
-- attack: a setting by a view in another schema | both
SELECT 1 FROM sbtest.v_elsewhere
-- attack: a setting by a view, written otherwise | both
SELECT * FROM `test` . `V_GLOBAL`, t
-- attack: a setting by a view in EXPLAIN | mariadb
ANALYZE SELECT * FROM v_global
-- attack: a setting by a view in EXPLAIN | mysql
EXPLAIN ANALYZE SELECT * FROM v_global
-- attack: a setting by a view in HANDLER | both
HANDLER v_global OPEN
-- then
HANDLER v_global READ FIRST
-- attack: a setting by a view in TABLE | mysql
TABLE v_global
-- attack: a setting by a view in CHECKSUM | both
CHECKSUM TABLE v_global
-- attack: a setting by a view in a prepared statement | both
PREPARE p FROM 'SELECT * FROM v_global'
-- then
EXECUTE p
-- attack: a setting by a function | both
SELECT f_global()
-- attack: a setting by a function in SET | both
SET ROLE NONE, @a = f_global()
-- attack: a setting by a function behind a variable | both
SELECT @f_global (), f_global()
-- attack: a setting by a function behind a variable whose name is empty | mysql
SELECT @f_global()
-- attack: a setting by a function in LIMIT | both
SELECT 1 LIMIT f_global()
-- attack: a setting by a function in SHOW | both
SHOW TABLES WHERE f_global()
-- attack: a setting by a function in EXPLAIN | both
EXPLAIN SELECT * FROM t WHERE id = f_global()
-- attack: a setting by a function in EXPLAIN | both
EXPLAIN SELECT (SELECT a FROM v_global)
-- attack: a setting by a function in SIGNAL | mariadb
GET DIAGNOSTICS CONDITION f_global() @a = MESSAGE_TEXT
-- attack: a setting by a function in a hint | both
SELECT /*!50000 f_global() */
-- attack: a setting by a function with a comment before its parenthesis | both
SELECT f_global/**/()
-- attack: a setting by a function with a dot | both
SELECT test . f_global ()
-- attack: a setting by a function in quotes | both
SELECT `f_global`()
-- attack: a setting by a function in double quotes | both
SET sql_mode = 'ANSI_QUOTES'
-- then
SELECT "f_global"()
-- attack: a setting by a function named like a built-in one | mariadb
SELECT any_value(1)
-- attack: a setting by a function named like a built-in one | mysql
SELECT nvl(1, 1)
-- attack: a setting by a function in a package | mariadb
SELECT pkg.f()
-- attack: a setting by a function without parentheses under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
SELECT f_global FROM DUAL
-- attack: a setting by a default | both
SELECT DEFAULT(d) FROM with_default
-- attack: rows behind an unlocked role | both
SET ROLE NONE, @@tx_read_only = 0
-- then
SET ROLE NONE, @x = w(1)
-- attack: rows behind an unlocked role | mysql
SET ROLE NONE, @@transaction_read_only = 0
-- then
SET ROLE NONE, @x = w(2)
-- attack: rows by views that unlock and write | both
SELECT * FROM v_unlock
-- then
SELECT * FROM v_write
-- attack: rows by a view of a function | both
SELECT * FROM v_write
-- attack: rows by a function | both
SELECT w(3)
-- attack: rows in a transaction that was opened to write | both
START TRANSACTION READ WRITE
-- then
SELECT * FROM v_write
-- then
COMMIT
-- attack: rows by a read-write transaction behind a chain | both
COMMIT AND CHAIN
-- then
SELECT * FROM v_write
-- attack: rows by a default of the mode | both
SET transaction_read_only = DEFAULT
-- then
SELECT * FROM v_write
-- attack: rows by a variable's accents | both
SET tx_réad_only = 0
-- attack: rows by a variable's trailing space | both
SET `tx_read_only ` = 0
-- attack: a sequence | mariadb
SELECT NEXTVAL(s)
-- attack: a sequence | mariadb
SELECT NEXT VALUE FOR s
-- attack: a sequence | mariadb
SELECT NEXT/**/VALUE/**/FOR test.s
-- attack: a sequence | mariadb
SELECT SETVAL(s, 100)
-- attack: a sequence under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
SELECT s.nextval FROM DUAL
-- attack: a sequence under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
SELECT test.s.`nextval` FROM DUAL
-- attack: a sequence behind a view | mariadb
SELECT * FROM v_sequence
-- attack: a sequence by a default | mariadb
SELECT DEFAULT(n) FROM with_default
-- attack: rows | both
INSERT INTO t VALUES (100, 1)
-- attack: rows | both
DELETE FROM t
-- attack: rows by a CTE | mysql
WITH q AS (SELECT 1 AS id) DELETE FROM t WHERE id IN (SELECT id FROM q)
-- attack: rows by EXPLAIN | mysql
EXPLAIN ANALYZE INSERT INTO t VALUES (101, 1)
-- attack: rows by EXPLAIN | mysql
EXPLAIN ANALYZE DELETE FROM t
-- attack: rows by ANALYZE | mariadb
ANALYZE DELETE FROM t
-- attack: rows by ANALYZE | mariadb
ANALYZE FORMAT=JSON UPDATE t SET v = 9
-- attack: rows behind a semicolon | both
SELECT 1; DELETE FROM t
-- attack: rows behind a semicolon in a skipped comment | both
SELECT 1 /*!99999 ; SELECT '*/; DELETE FROM t -- '
-- attack: rows behind a semicolon and a no-break space | both
SELECT 1;<A0>DELETE FROM t
-- attack: rows in a comment for one server | mariadb
/*M! DELETE FROM t */
-- attack: rows in a comment for one version | both
/*!50000 DELETE FROM t */
-- attack: rows by a routine | both
CALL w_proc()
-- attack: rows by a routine in a comment | both
/*!50000 CALL */ w_proc()
-- attack: rows by a routine, ODBC | both
{call w_proc()}
-- attack: rows by a file | both
LOAD DATA INFILE '/dir/none' INTO TABLE t
-- attack: rows by a table lock | both
LOCK TABLES t WRITE
-- then
DELETE FROM t
-- attack: rows by HANDLER of a table | both
HANDLER t OPEN
-- then
HANDLER t READ NEXT; DELETE FROM t
-- attack: an index and statistics | both
ANALYZE TABLE t
-- attack: a check | both
CHECK TABLE t
-- attack: an event of the replica | both
FLUSH STATUS
-- attack: an event of the replica | both
FLUSH TABLES
-- attack: an event of the replica in a read-only transaction | both
START TRANSACTION READ ONLY
-- then
FLUSH PRIVILEGES
-- attack: an event of the replica by a prepared statement | both
PREPARE p FROM 'FLUSH STATUS'
-- then
EXECUTE p
-- attack: an event of the replica in a block | mariadb
BEGIN NOT ATOMIC FLUSH STATUS; END
-- attack: an event of the replica | both
OPTIMIZE TABLE t
-- attack: an event of the replica | both
FLUSH LOGS
-- attack: a temporary table | both
CREATE TEMPORARY TABLE tmp (a INT)
-- attack: a table | both
CREATE TABLE made (a INT)
-- attack: a user | both
CREATE USER made
-- attack: a right | both
GRANT ALL ON *.* TO app@'%'
-- attack: a password | both
SET PASSWORD = 'other'
-- attack: a password behind a role | both
SET ROLE NONE, PASSWORD FOR app@'%' = PASSWORD('other')
-- attack: a password | both
ALTER USER USER() IDENTIFIED BY 'other'
-- attack: a default role | both
SET DEFAULT ROLE NONE TO app@'%'
-- attack: a default role behind a role | mariadb
SET ROLE NONE, DEFAULT ROLE NONE FOR app@'%'
-- attack: a resource group | mysql
SET RESOURCE GROUP USR_default
-- attack: a GTID | mysql
SET gtid_next = 'f1b11edb-e950-11f1-b956-02fc00000001:1'
-- then
COMMIT
-- attack: a GTID behind a role | mysql
SET ROLE NONE, gtid_next = 'f1b11edb-e950-11f1-b956-02fc00000001:1'
-- then
COMMIT
-- attack: a GTID in an XA transaction | both
XA START 'x'
-- then
XA END 'x'
-- then
XA PREPARE 'x'
-- attack: no binary log | both
SET sql_log_bin = 0
-- then
SELECT * FROM v_write
-- attack: replication | mariadb
STOP SLAVE
-- attack: replication | mysql
STOP REPLICA
-- attack: replication by KILL | both
KILL {thread}
-- attack: replication by KILL | both
KILL HARD {thread}
-- attack: replication by KILL | both
KILL CONNECTION {thread}
-- attack: replication by KILL of an expression | both
KILL ({thread} + 0)
-- attack: replication by KILL QUERY | both
KILL QUERY {thread}
-- attack: replication by KILL in a prepared statement | both
PREPARE p FROM 'KILL {thread}'
-- then
EXECUTE p
-- attack: another's session by KILL | both
KILL {session}
-- attack: all sessions of a user by KILL | mariadb
KILL USER repl
-- attack: a plugin | mariadb
INSTALL SONAME 'ha_archive'
-- attack: a component | mysql
INSTALL COMPONENT 'file://component_log_sink_json'
-- attack: a function of group replication | mysql
SELECT group_replication_set_write_concurrency(5)
-- attack: failover of the source | mysql
SELECT asynchronous_connection_failover_add_source('c', 'h', 1, '', 50)
-- attack: logs | both
PURGE BINARY LOGS BEFORE NOW()
-- attack: logs | mariadb
RESET MASTER
-- attack: logs | mysql
RESET BINARY LOGS AND GTIDS
-- attack: settings that were kept | mysql
RESET PERSIST
-- attack: a backup lock | mysql
LOCK INSTANCE FOR BACKUP
-- attack: a backup lock | mariadb
BACKUP STAGE START
-- attack: a lock of all tables | both
FLUSH TABLES WITH READ LOCK
-- attack: profiling of the server | mysql
CALL sys.ps_setup_reset_to_default(TRUE)
-- attack: a trace | both
BINLOG 'AAAA'
-- attack: a diagnosis with a side effect | both
HELP 'x' ; SET GLOBAL long_query_time = 7
-- attack: DO of a function | both
DO f_global()
-- attack: DO of a view | both
DO (SELECT COUNT(a) FROM v_global)
-- attack: SET of a view | both
SET @a = (SELECT COUNT(a) FROM v_global)
-- attack: a file by a view | both
SELECT * FROM v_file
-- attack: a user variable in EXPLAIN INTO | mysql
EXPLAIN FORMAT=JSON INTO @a SELECT f_global()
-- attack: a view in SHOW | both
SHOW COLUMNS FROM t WHERE (SELECT COUNT(a) FROM v_global)
-- attack: a view in a locking read | both
SELECT * FROM v_global FOR UPDATE
-- attack: a view in EXECUTE's arguments | mariadb
EXECUTE IMMEDIATE 'SELECT ?' USING (SELECT COUNT(a) FROM v_global)
-- attack: a function in EXECUTE's arguments | mariadb
EXECUTE IMMEDIATE 'SELECT ?' USING f_global()
-- attack: an event of the replica by a savepoint in a snapshot | mariadb
START TRANSACTION WITH CONSISTENT SNAPSHOT
-- then
SAVEPOINT x
-- then
COMMIT
-- attack: a setting by a view in the condition of SHOW | both
SHOW KEYS IN t WHERE Key_name = (SELECT a FROM v_global)
-- attack: a file behind each arm of a union | both
(SELECT 1 INTO OUTFILE '/dir/70') UNION (SELECT 2)
-- attack: a file behind each arm of a union | both
(SELECT 1) UNION (SELECT 2 INTO OUTFILE '/dir/71')
-- attack: a file behind a union in parentheses | both
((SELECT 1) UNION (SELECT 2)) INTO OUTFILE '/dir/72'
-- attack: a file behind a union in parentheses | both
((SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 1) INTO DUMPFILE '/dir/73'
-- attack: a file behind EXCEPT and INTERSECT | both
SELECT 1 EXCEPT SELECT 2 INTO OUTFILE '/dir/74'
-- attack: a file behind EXCEPT and INTERSECT | both
(SELECT 1 INTERSECT SELECT 1) INTO OUTFILE '/dir/75'
-- attack: a file of a table in parentheses | mysql
(TABLE t ORDER BY id LIMIT 1) INTO OUTFILE '/dir/76'
-- attack: a file of values in parentheses | mysql
(VALUES ROW(1), ROW(2)) INTO OUTFILE '/dir/77'
-- attack: a file of values | mariadb
VALUES (1), (2) INTO OUTFILE '/dir/78'
-- attack: a file of values in a union | both
SELECT 1 UNION VALUES ROW(2) INTO OUTFILE '/dir/79'
-- attack: a file of a recursive CTE | both
WITH RECURSIVE q (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM q WHERE n < 3) SELECT n FROM q INTO DUMPFILE '/dir/80'
-- attack: a file inside a CTE | both
WITH q AS (SELECT 1 INTO OUTFILE '/dir/81') SELECT * FROM q
-- attack: a file inside a derived table | both
SELECT * FROM (SELECT 1 INTO OUTFILE '/dir/82') AS d
-- attack: a file inside EXISTS | both
SELECT EXISTS (SELECT 1 INTO OUTFILE '/dir/83')
-- attack: a file behind a window | both
SELECT SUM(v) OVER w FROM t WINDOW w AS (ORDER BY id) INTO OUTFILE '/dir/84'
-- attack: a file behind a lock that skips | both
SELECT 1 FROM t FOR UPDATE SKIP LOCKED INTO OUTFILE '/dir/85'
-- attack: a file behind a lock that skips | both
SELECT 1 FROM t LOCK IN SHARE MODE INTO OUTFILE '/dir/86'
-- attack: a file with a character set | both
SELECT 1 INTO OUTFILE '/dir/87' CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','
-- attack: a file behind PROCEDURE ANALYSE | mariadb
SELECT * FROM t PROCEDURE ANALYSE(1, 2) INTO OUTFILE '/dir/88'
-- attack: a file behind ROWS EXAMINED | mariadb
SELECT 1 FROM t LIMIT ROWS EXAMINED 5 INTO OUTFILE '/dir/89'
-- attack: a file behind FETCH FIRST | mariadb
SELECT 1 FROM t ORDER BY id FETCH FIRST 1 ROWS ONLY INTO OUTFILE '/dir/90'
-- attack: a file of MEMBER OF | mysql
SELECT 1 MEMBER OF('[1]') INTO OUTFILE '/dir/91'
-- attack: a file of a multi-valued key | mysql
SELECT CAST('[1]' AS UNSIGNED ARRAY) INTO OUTFILE '/dir/92'
-- attack: a file in a resource group | mysql
SELECT /*+ RESOURCE_GROUP(USR_default) */ 1 INTO OUTFILE '/dir/93'
-- attack: a file with a hex literal as its name | both
SELECT 1 INTO OUTFILE 0x2f746d702f39
-- attack: a file behind HAVING | both
SELECT v FROM t GROUP BY v WITH ROLLUP HAVING v INTO OUTFILE '/dir/94'
-- attack: a file of a sample | mysql
SELECT * FROM t TABLESAMPLE BERNOULLI(50) INTO OUTFILE '/dir/95'
-- attack: a file behind QUALIFY | mysql
SELECT v FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY v) = 1 INTO OUTFILE '/dir/96'
-- attack: a file behind a system version | mariadb
SELECT * FROM t FOR SYSTEM_TIME ALL INTO OUTFILE '/dir/97'
-- attack: a file by EXPLAIN of another session | both
EXPLAIN FOR CONNECTION {session} INTO OUTFILE '/dir/98'
-- attack: a file by ANALYZE of JSON | mariadb
ANALYZE FORMAT=JSON SELECT 1 INTO OUTFILE '/dir/99'
-- attack: a file by EXPLAIN INTO | mysql
EXPLAIN ANALYZE FORMAT=JSON INTO OUTFILE '/dir/100' SELECT 1
-- attack: a setting kept for a restart, at each place of a list | mysql
SET PERSIST_ONLY long_query_time = 7
-- attack: a setting kept for a restart, at each place of a list | mysql
SET @@persist.long_query_time = 7
-- attack: a setting kept for a restart, at each place of a list | mysql
SET @a = 1, PERSIST long_query_time = 7
-- attack: a setting kept for a restart, at each place of a list | mysql
SET SESSION long_query_time = 7, PERSIST_ONLY long_query_time = 7
-- attack: a setting kept for a restart, at each place of a list | mysql
SET sql_mode = '', @@persist_only.long_query_time = 7, @b = 2
-- attack: a setting kept for a restart, at each place of a list | mysql
SET NAMES utf8mb4, PERSIST long_query_time = 7
-- attack: a setting kept for a restart, at each place of a list | mysql
SET @@session.long_query_time = 7, @@persist.`long_query_time` = 7
-- attack: a setting kept for a restart in a versioned comment | mysql
SET /*!80000 PERSIST */ long_query_time = 7
-- attack: a component's setting kept for a restart | mysql
SET PERSIST validate_password.length = 4
-- attack: a setting of a key cache | both
SET GLOBAL hot.key_buffer_size = 8388608
-- attack: a setting of a key cache | both
SET @@hot.key_buffer_size = 8388608
-- attack: a default for all | both
SET GLOBAL TRANSACTION READ WRITE
-- attack: a default for all | both
SET GLOBAL TRANSACTION ISOLATION LEVEL READ UNCOMMITTED
-- attack: a default for all | both
SET @a = 1, GLOBAL transaction_isolation = 'SERIALIZABLE'
-- attack: settings kept for a restart are forgotten | mysql
RESET PERSIST IF EXISTS long_query_time
-- attack: a resource group | mysql
CREATE RESOURCE GROUP made TYPE = USER
-- attack: a resource group | mysql
ALTER RESOURCE GROUP USR_default DISABLE FORCE
-- attack: a resource group for another's thread | mysql
SET RESOURCE GROUP USR_default FOR {thread}
-- attack: a resource group behind a variable | mysql
SET @a = 1, RESOURCE GROUP USR_default
-- attack: an object of another definer | both
CREATE DEFINER = root@localhost VIEW made AS SELECT 1
-- attack: an object of another definer | both
CREATE DEFINER = root@localhost PROCEDURE made() SET GLOBAL long_query_time = 7
-- attack: an object of another definer | both
CREATE DEFINER = root@localhost FUNCTION made() RETURNS INT NO SQL RETURN 1
-- attack: an object of another definer | both
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_global AS SELECT 1 AS a
-- attack: an object of another definer | both
ALTER DEFINER = root@localhost VIEW v_global AS SELECT 1 AS a
-- attack: an object of another definer | both
CREATE DEFINER = root@localhost EVENT made ON SCHEDULE EVERY 1 DAY DO SET GLOBAL long_query_time = 7
-- attack: an object of another definer | both
CREATE DEFINER = root@localhost TRIGGER made BEFORE INSERT ON t FOR EACH ROW SET @a = 1
-- attack: a multi-valued index | mysql
CREATE TABLE made (j JSON, INDEX i ((CAST(j AS UNSIGNED ARRAY))))
-- attack: a multi-valued index | mysql
CREATE INDEX i ON t ((CAST(v AS UNSIGNED ARRAY)))
-- attack: a multi-valued index | mysql
ALTER TABLE t ADD INDEX i ((CAST(v AS CHAR(10) ARRAY)))
-- attack: rows by MEMBER OF | mysql
SELECT f_global() MEMBER OF('[1]')
-- attack: rows by MEMBER OF | mysql
SELECT 1 MEMBER OF(f_global())
-- attack: a setting behind CAST to an array | mysql
SELECT CAST(f_global() AS UNSIGNED ARRAY)
-- attack: a JSON duality view | mysql
CREATE JSON RELATIONAL DUALITY VIEW made AS SELECT JSON_DUALITY_OBJECT(WITH (INSERT, UPDATE, DELETE) '_id': id, 'v': v) FROM t
-- attack: a JSON duality view | mysql
CREATE OR REPLACE JSON DUALITY VIEW made AS SELECT JSON_DUALITY_OBJECT('_id': id, 'v': v) FROM t
-- attack: rows by a JSON duality view | mysql
SELECT JSON_DUALITY_OBJECT('_id': f_global(), 'v': v) FROM t
-- attack: a JavaScript program | mysql
CREATE FUNCTION made(n INT) RETURNS INT LANGUAGE JAVASCRIPT AS $$ return n; $$
-- attack: a JavaScript program | mysql
CREATE PROCEDURE made() LANGUAGE JAVASCRIPT AS $mle$ session.runSql("SET GLOBAL long_query_time = 7"); $mle$
-- attack: a JavaScript library | mysql
CREATE LIBRARY made LANGUAGE JAVASCRIPT AS $$ export function f() { return 1; } $$
-- attack: a file behind a dollar quote | mysql
SELECT $$a$$ INTO OUTFILE '/dir/101'
-- attack: a file behind a dollar quote | mysql
SELECT $a$ ' $a$ INTO OUTFILE '/dir/102' -- '
-- attack: a loadable function | both
CREATE FUNCTION made RETURNS INTEGER SONAME 'udf_example.so'
-- attack: a loadable function | both
CREATE AGGREGATE FUNCTION IF NOT EXISTS made RETURNS STRING SONAME 'udf_example.so'
-- attack: a loadable function is dropped | both
DROP FUNCTION f_global
-- attack: a function of a component | mysql
SELECT version_tokens_set('a=b')
-- attack: a function of a component | mysql
SELECT audit_log_rotate()
-- attack: a function of a component | mysql
SELECT keyring_key_generate('k', 'AES', 16)
-- attack: a function of a component | mysql
SELECT service_get_write_locks('n', 'a', 10)
-- attack: a function of group replication | mysql
SELECT group_replication_switch_to_single_primary_mode()
-- attack: a function of group replication | mysql
SELECT `group_replication_set_as_primary`('f1b11edb-e950-11f1-b956-02fc00000001')
-- attack: failover of the source | mysql
SELECT asynchronous_connection_failover_reset()
-- attack: a setting by a function named like one of a grammar | both
SELECT median(1)
-- attack: a setting by a function named like one of a grammar | both
SELECT cube(1), rollup(1)
-- attack: a setting by a function named like one of a grammar | both
SELECT analyse(1, 2)
-- attack: a setting by a function named like one of a grammar | both
SELECT percentile_cont(1), st_collect(1)
-- attack: a setting by a function that a later version has | both
SELECT uuid_v7()
-- attack: a setting by a function that a later version has | both
SELECT vec_totext(1)
-- attack: a setting by a function that an earlier version had | both
SELECT encode('a', 'b'), des_encrypt('a')
-- attack: a setting by a function with a space in front of its parenthesis | both
SELECT count (1), median (1)
-- attack: a setting by a function in a package | mariadb
SELECT test.pkg.f()
-- attack: a setting by a function in a package | mariadb
SELECT `pkg`.`f`()
-- attack: a setting by a function in a package | mariadb
SELECT Pkg . F ()
-- attack: a setting by a function in a package | mariadb
SELECT `test` . `pkg` . `f` ()
-- attack: a setting by a function in a package under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
SELECT test.pkg.f FROM DUAL
-- attack: a setting by a function in a package under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
SELECT pkg.f() FROM DUAL
-- attack: a setting by a procedure in a package | mariadb
CALL pkg.p()
-- attack: a setting by a procedure in a package | mariadb
CALL test.pkg.p()
-- attack: a setting by a procedure in a package under Oracle's mode | mariadb
SET sql_mode = 'ORACLE'
-- then
pkg.p
-- attack: a setting by a view of a function in a package | mariadb
SELECT * FROM v_package
-- attack: a setting by a function in a package, in SET | mariadb
SET @a = pkg.f()
-- attack: a setting by a function in a package, in DO | mariadb
DO pkg.f()
-- attack: a setting by a function in a package, in EXECUTE's arguments | mariadb
EXECUTE IMMEDIATE 'SELECT ?' USING pkg.f()
-- attack: a package | mariadb
DROP PACKAGE pkg
-- attack: rows by EXPLAIN of a CTE | mysql
EXPLAIN ANALYZE WITH q AS (SELECT 1 AS id) DELETE FROM t WHERE id IN (SELECT id FROM q)
-- attack: rows by EXPLAIN | mysql
EXPLAIN ANALYZE FORMAT=TREE UPDATE t SET v = 9
-- attack: rows by EXPLAIN | mysql
DESC ANALYZE REPLACE INTO t VALUES (1, 9)
-- attack: rows by EXPLAIN in another schema | mysql
EXPLAIN ANALYZE FOR SCHEMA test DELETE FROM t
-- attack: rows by ANALYZE | mariadb
ANALYZE INSERT INTO t VALUES (102, 1)
-- attack: rows by ANALYZE | mariadb
ANALYZE FORMAT=JSON REPLACE INTO t VALUES (1, 9)
-- attack: rows by ANALYZE of a CTE | mariadb
ANALYZE WITH q AS (SELECT 1) DELETE FROM t
-- attack: rows by RETURNING | mariadb
DELETE FROM t RETURNING id
-- attack: rows by RETURNING | mariadb
INSERT INTO t VALUES (103, 1) RETURNING id
-- attack: rows by ANALYZE of another session | mariadb
ANALYZE FORMAT=JSON FOR CONNECTION {session}; DELETE FROM t
-- attack: rows by a file of XML | both
LOAD XML INFILE '/dir/none' INTO TABLE t ROWS IDENTIFIED BY '<row>'
-- attack: rows by a file of the client | both
LOAD DATA LOCAL INFILE '/dir/none' REPLACE INTO TABLE t
-- attack: rows by a file of the client | both
LOAD XML LOCAL INFILE '/dir/none' INTO TABLE t
-- attack: rows by a bulk load | mysql
LOAD DATA FROM INFILE '/dir/none' COUNT 1 INTO TABLE t ALGORITHM = BULK
-- attack: rows by IMPORT | mysql
IMPORT TABLE FROM '/dir/none.sdi'
-- attack: rows by HANDLER with a function | both
HANDLER t OPEN AS h
-- then
HANDLER h READ FIRST WHERE f_global()
-- attack: rows by HANDLER with a view | both
HANDLER t OPEN
-- then
HANDLER t READ FIRST WHERE id IN (SELECT a FROM v_global)
-- attack: rows by HANDLER of a sequence | mariadb
HANDLER s OPEN
-- then
HANDLER s READ NEXT
-- attack: rows by TRUNCATE | both
TRUNCATE TABLE t
-- attack: rows by TRUNCATE | both
TRUNCATE t
-- attack: rows by a function in a locking read | both
SELECT w(4) FROM t FOR UPDATE
-- attack: rows by a function in a locking read | both
SELECT w(5) FROM t FOR UPDATE SKIP LOCKED
-- attack: rows by a function in a locking read | both
SELECT w(6) FROM t FOR SHARE OF t NOWAIT
-- attack: rows by a view in a locking read | both
SELECT * FROM v_write LOCK IN SHARE MODE
-- attack: rows by a function in a window | both
SELECT SUM(w(7)) OVER (ORDER BY id) FROM t
-- attack: rows by a function in JSON_TABLE | both
SELECT * FROM JSON_TABLE(CONCAT('[', w(8), ']'), '$[*]' COLUMNS (a INT PATH '$')) AS j
-- attack: rows by a function in a default of JSON_VALUE | both
SELECT JSON_VALUE(w(9), '$')
-- attack: rows by a function in INTERVAL | both
SELECT NOW() + INTERVAL w(10) DAY
-- attack: rows by a function in ORDER BY | both
SELECT id FROM t ORDER BY w(id)
-- attack: rows by a function in GROUP BY | both
SELECT COUNT(*) FROM t GROUP BY w(id)
-- attack: rows by a function in ON | both
SELECT 1 FROM t JOIN u ON w(t.id) = u.id
-- attack: rows by a function in VALUES | both
VALUES ROW(w(11))
-- attack: rows by a function in VALUES | mariadb
VALUES (w(12))
-- attack: rows by a function in a named argument | both
SELECT ABS(w(13) AS a)
-- attack: rows by a function in CASE | both
SELECT CASE w(14) WHEN w(15) THEN w(16) ELSE w(17) END
-- attack: rows by a function in LIKE | both
SHOW TABLES LIKE w(18)
-- attack: rows by a function in SHOW | both
SHOW VARIABLES WHERE w(19) = 1
-- attack: rows by a function in SHOW | both
SHOW STATUS WHERE test.w(20)
-- attack: rows by a function in SHOW | both
SHOW COLLATION WHERE `w`(21)
-- attack: rows by a function in SHOW | both
SHOW ENGINES WHERE (SELECT w(22))
-- attack: a SHOW with a side effect | both
SHOW BINLOG EVENTS; FLUSH STATUS
-- attack: a SHOW with a side effect | both
SHOW TABLE STATUS WHERE f_global()
-- attack: a SHOW with a side effect | both
SHOW CREATE VIEW v_global; SET GLOBAL long_query_time = 7
-- attack: a SHOW with a side effect | mysql
SHOW PARSE_TREE SELECT f_global()
-- attack: a SHOW with a side effect | mariadb
SHOW EXPLAIN FOR {session}; SET GLOBAL long_query_time = 7
-- attack: a SHOW with a side effect | mariadb
SHOW ANALYZE FOR {session}; FLUSH STATUS
-- attack: a sequence | mariadb
SELECT NEXTVAL(test.s), NEXTVAL(`s`)
-- attack: a sequence | mariadb
SELECT (SELECT NEXT VALUE FOR s)
-- attack: a sequence | mariadb
SELECT SETVAL(s, 50, TRUE, 1)
-- attack: a sequence | mariadb
SELECT `nextval`(s)
-- attack: a sequence | mariadb
SELECT /*M!100300 NEXTVAL(s) */
-- attack: a sequence | mariadb
ALTER SEQUENCE s RESTART 50
-- attack: a sequence in a window | mariadb
SELECT SUM(NEXTVAL(s)) OVER () FROM t
-- attack: a sequence in EXPLAIN | mariadb
ANALYZE SELECT NEXTVAL(s)
-- attack: a sequence in SET | mariadb
SET @a = NEXTVAL(s)
-- attack: a sequence in EXECUTE's arguments | mariadb
EXECUTE IMMEDIATE 'SELECT ?' USING NEXTVAL(s)
-- attack: a clone of the server | mysql
CLONE LOCAL DATA DIRECTORY = '/dir/clone'
-- attack: a restart of the server | mysql
RESTART
-- attack: an end of the server | both
SHUTDOWN
-- attack: an instance's key | mysql
ALTER INSTANCE ROTATE INNODB MASTER KEY
-- attack: an instance's redo log | mysql
ALTER INSTANCE DISABLE INNODB REDO_LOG
-- attack: the source of a replica | both
CHANGE MASTER TO MASTER_HOST = 'x'
-- attack: the source of a replica | mysql
CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'x'
-- attack: the filter of a replica | mysql
CHANGE REPLICATION FILTER REPLICATE_DO_DB = (nothing)
-- attack: a library of indexes | both
CACHE INDEX t IN hot
-- attack: a library of indexes | both
LOAD INDEX INTO CACHE t
-- attack: a histogram | mysql
ANALYZE TABLE t UPDATE HISTOGRAM ON v
-- attack: an event of the replica in a transaction that only reads | both
START TRANSACTION READ ONLY
-- then
ANALYZE TABLE t
-- then
REPAIR TABLE t
-- attack: an event of the replica without the binary log's name | both
FLUSH LOCAL HOSTS
-- attack: an event of the replica without the binary log's name | both
FLUSH NO_WRITE_TO_BINLOG TABLES
-- attack: an event of the replica in an export | both
FLUSH TABLES t FOR EXPORT
-- attack: costs of the optimizer | mysql
FLUSH OPTIMIZER_COSTS
-- attack: statistics of clients | mariadb
FLUSH CLIENT_STATISTICS
-- attack: a compound under a label | mariadb
l: BEGIN NOT ATOMIC SET GLOBAL long_query_time = 7; END l
-- attack: a compound in a comment | mariadb
/*M! BEGIN NOT ATOMIC */ SET GLOBAL long_query_time = 7; END
-- attack: a cursor of its own | mariadb
FOR r IN (SELECT f_global() AS a) DO SELECT r.a; END FOR
-- attack: a view with the name of a common table expression | both
WITH v_global AS (SELECT * FROM v_global) SELECT * FROM v_global
-- attack: a view beside a common table expression of its name | both
SELECT * FROM v_global, (WITH v_global AS (SELECT 1) SELECT * FROM v_global) x
-- attack: a view behind a common table expression of its name | both
(WITH v_global AS (SELECT 1) SELECT * FROM v_global) UNION SELECT * FROM v_global
-- attack: a view that a later common table expression is named after | both
WITH c AS (SELECT * FROM v_global), v_global AS (SELECT 1) SELECT * FROM c
-- attack: a view, spelt otherwise than a common table expression | both
WITH V_GLOBAL AS (SELECT 1) SELECT * FROM v_global
-- attack: a prepared text that the server reads anew in another mode | mysql
SET sql_mode = '', @i = 1, @s = 'x'
-- then
PREPARE s FROM 'SELECT ''\\'', ? INTO OUTFILE "/dir/reread" -- '', ?'
-- then
EXECUTE s USING @i
-- then
SET sql_mode = 'NO_BACKSLASH_ESCAPES'
-- then
EXECUTE s USING @s
-- attack: a text in the name of a prepared statement | both
PREPARE `x`` FROM 'SET GLOBAL long_query_time = 2' -- ` FROM 'SELECT 5'
-- then
SELECT SLEEP(0.01)
-- then
EXECUTE x
-- attack: a file in the name of a user variable | both
START TRANSACTION READ ONLY
-- then
SELECT 7 INTO @"x` INTO OUTFILE '/dir/named' -- "
-- then
COMMIT
-- then
SELECT @y
-- attack: counters that are reset | both
SELECT * FROM information_schema.INNODB_CMP_RESET
-- attack: counters that are reset, with another letter | both
SELECT * FROM information_schema.INNODB_CMP_REſET
-- attack: counters that are reset, with another letter | both
SELECT * FROM information_schema.`ınnodb_cmp_reſet`
-- attack: counters that are reset, by a schema with another letter | both
SELECT * FROM `İnformation_schema`.innodb_cmp_reset
-- attack: tables for which views are opened, by a schema with another letter | both
SELECT * FROM `İnformation_schema`.views
-- attack: tables for which views are opened, with another letter | both
SELECT * FROM information_schema.`vİews`
-- attack: counters that are reset, in the default schema | both
USE information_schema
-- then
TABLE INNODB_CMPMEM_RESET
-- attack: a view in a query with its own common table expression of that name | both
WITH v_global AS (SELECT 1) SELECT 1 WHERE EXISTS (WITH v_global AS (SELECT * FROM v_global) SELECT * FROM v_global)
-- attack: a view in a common table expression of an inner query | both
WITH v_global AS (SELECT 1) SELECT * FROM (WITH w AS (SELECT * FROM v_global) SELECT * FROM w) d
-- attack: a query in another schema | mysql
EXPLAIN ANALYZE FOR SCHEMA sbtest SELECT * FROM v_elsewhere
-- attack: code behind a literal that is shown without its escape sign | both
SELECT f_escaped()
-- attack: code behind a literal that is shown without its escape sign | both
SELECT f_phased()
-- attack: a view whose name is in another character set | both
SET NAMES latin1
-- then
SELECT * FROM `v_<B5>`
-- attack: a view in a schema with the name of a server's, in other letters | both
SELECT * FROM `SYS`.v_global
-- attack: a text in the character set of the schema | both
SET character_set_database = swe7
-- then
EXECUTE IMMEDIATE 'set character set utf8mb4'
-- then
PREPARE s FROM 'select ` into outfile ''/dir/swe7'' # `'
-- then
EXECUTE s
-- attack: a text in the character set of the schema, by a prepared statement | both
SET collation_database = swe7_bin
-- then
PREPARE c FROM 'set charset utf8mb4'
-- then
EXECUTE c
-- then
EXECUTE IMMEDIATE 'select ` into outfile ''/dir/swe7b'' # `'
-- attack: a file under a mode that the text does not spell | both
SET sql_mode = 4
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/200' -- "
-- attack: a file under a mode that the text does not spell | both
SET @@sql_mode = 4
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/201' -- "
-- attack: a file under a mode that the text does not spell | both
SET SESSION sql_mode = 0x4
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/202' -- "
-- attack: a file under a mode that the text does not spell | both
SET sql_mode = b'100'
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/203' -- "
-- attack: a file under a mode that the text does not spell | both
SET sql_mode = 2 + 2
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/204' -- "
-- attack: a file under a mode that the text does not spell | both
SET sql_mode = '4'
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/205' -- "
-- attack: a file under a mode that the text does not spell | both
SET @@session.sql_mode = -1 + 5
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/206' -- "
-- attack: a file under a mode that the text does not spell | both
SET session_track_system_variables = '', sql_mode = 4
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/207' -- "
-- attack: a file under a mode that the text does not spell | both
SET session_track_system_variables = '', sql_mode = 'ANSI_QUOTES'
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/208' -- "
-- attack: a file under a mode that the text does not spell | both
SET session_track_system_variables = '', sql_mode = REPLACE('ANSI_QUOTES', 'x', '')
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/209' -- "
-- attack: a file under a mode that the text does not spell | both
SET @@sql_mode = REPLACE('ANSI_QUOTES', 'x', ''), @@session_track_system_variables = ''
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/210' -- "
-- attack: a file under a mode that the text does not spell | both
SET session_track_system_variables = ''; SET sql_mode = REPLACE('ANSI_QUOTES', 'x', '')
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/211' -- "
-- attack: a file under a mode that the text does not spell | both
SET session_track_system_variables = REPLACE('', 'x', ''), sql_mode = (SELECT 'ANSI_QUOTES')
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/212' -- "
-- attack: a file under a mode that the text does not spell | both
SET session_track_state_change = 0, session_track_system_variables = 'time_zone', sql_mode = LOWER('ANSI_QUOTES')
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/213' -- "
-- attack: a file under a mode that a parameter sets | both
PREPARE c FROM 'SET session_track_system_variables = '''', sql_mode = ?'
-- then
SET @m = 'ANSI_QUOTES'
-- then
EXECUTE c USING @m
-- then
SELECT 1 AS "\" INTO OUTFILE '/dir/214' -- "

# Session state: variables of the system and the user, SQL modes, character sets, time zones, transactions' characteristics.
SET @a = 1;
SELECT @a;
SET @a := 2, @b = 'text', @c = NULL, @d = 1.50, @e = X'4142';
SELECT @a, @b, @c, @d, @e;
SELECT @undefined;
SELECT @a := @a + 1;
SELECT @a := @a + 1, @a, @z := 'z';
SELECT @z;
SET @sum = 0;
SELECT @sum := @sum + n FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) t;
SELECT @sum;
SET @`quoted name` = 5, @'single' = 6, @"double" = 7;
SELECT @`quoted name`, @'single', @"double";
SET @big = REPEAT('x', 1000);
SELECT LENGTH(@big);
SET @now = NOW();
SELECT @now <= NOW();
SET @s = (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'eq_sessions');
SELECT @s;
SET @x = 'it''s', @y = "dq";
SELECT @x, @y, CONCAT(@x, @y);
SET @u = _utf8mb4'ä', @l = _latin1 X'E4', @cl = 'x' COLLATE utf8mb4_bin;
SELECT @u, @l, CHARSET(@u), CHARSET(@l), COLLATION(@cl);
SET @neg = -5, @dec = -1.25, @f = 1e5, @t = TRUE, @n = NULL;
SELECT @neg, @dec, @f, @t, @n;
SET @i = 1, @j = @i + 1;
SELECT @i, @j;
-- error 1064 3061
SET @ = 1;
-- error 1064
SET 5 = 1;
SELECT @@autocommit, @@session.autocommit, @@global.autocommit;
SELECT @@sql_mode;
SET sql_mode = '';
SELECT @@sql_mode, @@SESSION.sql_mode;
SELECT 'a' || 'b';
SET SESSION sql_mode = 'PIPES_AS_CONCAT';
SELECT 'a' || 'b';
SET @@sql_mode = 'ANSI_QUOTES';
CREATE TABLE "quoted" ("id" INT PRIMARY KEY, "v" VARCHAR(5));
SELECT "id" FROM "quoted";
SELECT 'text', "id" AS "k" FROM "quoted";
-- error 1054
SELECT "nothing";
SET @@session.sql_mode = 'NO_BACKSLASH_ESCAPES';
SELECT 'a\n', 'x\\', LENGTH('\0');
INSERT INTO quoted VALUES (1, '\');
SELECT * FROM quoted;
SET @@local.sql_mode = 'ANSI';
SELECT "id", 'a' || 'b' FROM "quoted";
SELECT COUNT (*) FROM quoted;
SET sql_mode = 'TRADITIONAL';
-- error 1365
INSERT INTO quoted VALUES (2 / 0, 'x');
SET sql_mode = 'STRICT_ALL_TABLES';
-- error 1406
INSERT INTO quoted VALUES (3, 'too long');
SET sql_mode = '';
INSERT INTO quoted VALUES (3, 'too long');
INSERT INTO quoted VALUES ('4x', NULL);
INSERT INTO quoted (v) VALUES ('z');
SELECT * FROM quoted ORDER BY id;
UPDATE quoted SET v = 'also too long' WHERE id = 4;
SET sql_mode = 'NO_ZERO_DATE,NO_ZERO_IN_DATE';
SELECT CAST('0000-00-00' AS DATE), CAST('2024-00-01' AS DATE);
SET sql_mode = 'ALLOW_INVALID_DATES';
SELECT CAST('2024-02-31' AS DATE);
SET sql_mode = 'HIGH_NOT_PRECEDENCE';
SELECT NOT 1 BETWEEN -5 AND 5;
SET sql_mode = 'REAL_AS_FLOAT';
CREATE TABLE rf (r REAL);
SHOW COLUMNS FROM rf;
DROP TABLE rf;
SET sql_mode = 'NO_UNSIGNED_SUBTRACTION';
SELECT CAST(1 AS UNSIGNED) - 2;
SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH';
CREATE TABLE pc (c CHAR(5));
INSERT INTO pc VALUES ('a');
SELECT LENGTH(c) FROM pc;
DROP TABLE pc;
SET sql_mode = 'ONLY_FULL_GROUP_BY';
-- error 1055
SELECT v, COUNT(*) FROM quoted GROUP BY id % 2;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE az (id INT AUTO_INCREMENT PRIMARY KEY);
INSERT INTO az VALUES (0), (NULL);
SELECT * FROM az ORDER BY id;
DROP TABLE az;
SET sql_mode = 'IGNORE_SPACE';
SELECT NOW () IS NOT NULL, COUNT (*) FROM quoted;
SET sql_mode = 'ERROR_FOR_DIVISION_BY_ZERO';
SELECT 1 / 0;
SET sql_mode = 'NO_ENGINE_SUBSTITUTION,NO_DIR_IN_CREATE';
-- error 1231
SET sql_mode = 'NONSENSE';
-- only mariadb
SET sql_mode = 'ORACLE';
-- only mariadb
SELECT 'a' || NULL FROM DUAL;
-- only mariadb
SET sql_mode = 'EMPTY_STRING_IS_NULL';
-- only mariadb
SELECT '' IS NULL;
-- only mariadb
SET sql_mode = 'SIMULTANEOUS_ASSIGNMENT';
-- only mariadb
SET sql_mode = 'MSSQL';
-- only mariadb
SELECT @@sql_mode;
-- only mysql
SET sql_mode = 'TIME_TRUNCATE_FRACTIONAL';
-- only mysql
SELECT CAST('10:11:12.9' AS TIME(0));
SET sql_mode = DEFAULT;
DROP TABLE quoted;
SET NAMES latin1;
SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection;
SELECT 'abc', CHARSET('abc'), COLLATION('abc');
SELECT _utf8mb4 X'C3A4';
SET NAMES utf8mb4;
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci';
SELECT COLLATION('abc'), 'ä' = 'a';
SET NAMES utf8mb4 COLLATE utf8mb4_bin;
SELECT 'a' = 'A';
SET NAMES utf8mb3;
SELECT 'ü', CHARSET('ü');
SET NAMES binary;
SELECT 'abc', CHARSET('abc');
SET NAMES ascii;
SELECT 'abc', _utf8mb4 X'C3A4';
SET NAMES cp1251;
SELECT @@character_set_results, CHARSET('x');
SET NAMES sjis;
SELECT 'abc';
SET NAMES gbk;
SELECT 'abc', CHARSET('x');
SET NAMES DEFAULT;
SELECT CHARSET('x'), COLLATION('x');
SET CHARACTER SET latin1;
SELECT @@character_set_client, @@character_set_connection, @@character_set_results;
SET CHARSET utf8mb4;
SET CHARACTER SET DEFAULT;
SET character_set_results = NULL;
SELECT @@character_set_results, 'abc';
SET character_set_results = latin1;
SELECT 'ä', HEX('ä');
SET character_set_client = latin1, character_set_connection = utf8mb4;
SELECT LENGTH('ä');
SET NAMES utf8mb4;
SET collation_connection = utf8mb4_general_ci;
SELECT COLLATION('x');
-- error 1115
SET NAMES klingon;
-- error 1273
SET collation_connection = nothing;
-- error 1253
SET NAMES latin1 COLLATE utf8mb4_bin;
-- error 1231
SET character_set_client = ucs2;
-- error@mysql 1227
SET character_set_database = latin1;
SET character_set_server = latin1;
SELECT @@character_set_database, @@character_set_server;
-- error@mysql 1227
SET character_set_server = DEFAULT, character_set_database = DEFAULT;
CREATE TABLE cs (a VARCHAR(10) CHARACTER SET latin1, b VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, c VARCHAR(10) CHARACTER SET utf16, d VARCHAR(10) CHARACTER SET ascii, e CHAR(3) CHARACTER SET cp932);
INSERT INTO cs VALUES ('ä', '😀', 'ö', 'x', 'abc');
-- error 1366
INSERT INTO cs (d) VALUES ('ä');
-- error 1366
INSERT INTO cs (a) VALUES ('😀');
SELECT * FROM cs;
SELECT HEX(a), HEX(b), HEX(c), HEX(d) FROM cs;
SELECT a FROM cs WHERE a = 'Ä';
SELECT b FROM cs WHERE b = '😀';
-- error 1267 1271 1270
SELECT CONCAT(a COLLATE latin1_bin, a COLLATE latin1_general_ci) FROM cs;
SELECT a FROM cs ORDER BY a COLLATE latin1_german1_ci;
SET NAMES latin1;
SELECT a, b, c FROM cs;
SET NAMES utf8mb4;
SHOW FULL COLUMNS FROM cs;
DROP TABLE cs;
SHOW CHARACTER SET LIKE 'utf8%';
SHOW CHARSET LIKE 'latin1';
SHOW COLLATION LIKE 'latin1%';
SHOW COLLATION WHERE Charset = 'ascii';
SHOW VARIABLES LIKE 'character_set_connection';
SHOW VARIABLES LIKE 'collation%';
SHOW SESSION VARIABLES LIKE 'sql_mode';
SHOW LOCAL VARIABLES WHERE Variable_name = 'autocommit';
SHOW GLOBAL VARIABLES LIKE 'autocommit';
-- mask *values: the proxy tracks what it needs, whatever the client asks for
SHOW VARIABLES LIKE 'session_track%';
SHOW VARIABLES LIKE 'wait_timeout';
SHOW VARIABLES LIKE 'lower_case_table_names';
SHOW VARIABLES LIKE 'max_allowed_packet';
SET time_zone = '+02:00';
SELECT @@time_zone, FROM_UNIXTIME(0);
SET SESSION time_zone = 'SYSTEM';
SET TIME_ZONE = '-03:30';
SELECT FROM_UNIXTIME(86400);
SET time_zone = DEFAULT;
SET SESSION wait_timeout = 1000, interactive_timeout = 1001, net_read_timeout = 31;
SELECT @@wait_timeout, @@interactive_timeout, @@net_read_timeout;
SET @@session.group_concat_max_len = 5;
SELECT GROUP_CONCAT(x) FROM (SELECT 'abc' AS x UNION ALL SELECT 'def') t;
SET group_concat_max_len = DEFAULT;
SET sql_select_limit = 1;
SELECT 1 UNION ALL SELECT 2;
SET sql_select_limit = DEFAULT;
SELECT 1 UNION ALL SELECT 2;
SET SQL_SAFE_UPDATES = 1;
CREATE TABLE su (id INT PRIMARY KEY, v INT);
INSERT INTO su VALUES (1, 1);
-- error 1175
UPDATE su SET v = 2;
-- error 1175
DELETE FROM su;
UPDATE su SET v = 2 WHERE id = 1;
SET SQL_SAFE_UPDATES = 0;
UPDATE su SET v = 3;
SET unique_checks = 0, foreign_key_checks = OFF;
SELECT @@unique_checks, @@foreign_key_checks;
SET unique_checks = ON, foreign_key_checks = TRUE;
SET auto_increment_increment = 10, auto_increment_offset = 3;
CREATE TABLE ai (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
INSERT INTO ai (v) VALUES (1), (2), (3);
SELECT id FROM ai ORDER BY id;
SET auto_increment_increment = DEFAULT, auto_increment_offset = DEFAULT;
INSERT INTO ai (v) VALUES (4);
SELECT LAST_INSERT_ID();
SET sql_auto_is_null = 1;
INSERT INTO ai (v) VALUES (5);
SELECT v FROM ai WHERE id IS NULL;
SELECT v FROM ai WHERE id IS NULL;
SET sql_auto_is_null = 0;
INSERT INTO ai (v) VALUES (6);
SELECT v FROM ai WHERE id IS NULL;
DROP TABLE ai;
SET sql_notes = 0;
DROP TABLE IF EXISTS nothing;
SET sql_notes = 1;
DROP TABLE IF EXISTS nothing;
SET sql_warnings = 1;
INSERT IGNORE INTO su VALUES (1, 9);
SET sql_warnings = 0;
-- error@mysql 1227
SET max_error_count = 1;
-- nowarn
SELECT 'a' + 1, 'b' + 1, 'c' + 1;
SHOW WARNINGS;
SHOW COUNT(*) WARNINGS;
-- error@mysql 1227
SET max_error_count = DEFAULT;
SELECT @@warning_count, @@error_count;
SET div_precision_increment = 8;
SELECT 1 / 3;
SET div_precision_increment = DEFAULT;
SET default_week_format = 3;
SELECT WEEK('2024-01-01');
SET default_week_format = 0;
SET lc_time_names = 'de_DE';
SELECT DAYNAME('2024-05-06'), MONTHNAME('2024-05-06'), @@lc_time_names;
SET lc_time_names = DEFAULT;
SET lc_messages = 'de_DE';
-- error 1146
SELECT * FROM keine;
SET lc_messages = 'en_US';
SET default_storage_engine = MyISAM;
CREATE TABLE dse (id INT);
SHOW CREATE TABLE dse;
DROP TABLE dse;
SET default_storage_engine = DEFAULT;
SET max_join_size = 100;
SET max_join_size = DEFAULT;
SET big_tables = 1, big_tables = 0;
SET updatable_views_with_limit = NO;
SET updatable_views_with_limit = DEFAULT;
SET optimizer_switch = 'mrr=on';
SET optimizer_switch = DEFAULT;
-- error@mariadb 1193
SET cte_max_recursion_depth = 5;
-- error 3636
-- only mysql
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT * FROM r;
-- only mysql
SET cte_max_recursion_depth = DEFAULT;
-- only mysql
SET SESSION information_schema_stats_expiry = 0;
-- only mysql
-- error 1227
SET SESSION sql_require_primary_key = ON;
-- only mysql
-- error@mariadb 3750
CREATE TABLE nopk (id INT);
-- only mysql
-- error 1227
SET SESSION sql_require_primary_key = OFF;
-- only mysql
SET SESSION show_create_table_verbosity = ON;
-- only mysql
SET SESSION max_execution_time = 10000;
-- only mysql
SET SESSION default_collation_for_utf8mb4 = utf8mb4_general_ci;
-- only mysql
SET @@session.windowing_use_high_precision = OFF, @@session.windowing_use_high_precision = DEFAULT;
-- only mysql
SELECT /*+ SET_VAR(sql_mode = '') */ @@sql_mode;
-- only mysql
SELECT @@sql_mode = '';
-- only mariadb
SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SELECT @@sql_mode;
-- only mariadb
SELECT @@sql_mode = 'ANSI_QUOTES';
-- only mariadb
SET STATEMENT max_statement_time = 10, sql_select_limit = 1 FOR SELECT 1 UNION ALL SELECT 2;
-- only mariadb
SET SESSION max_statement_time = 20;
-- only mariadb
SET SESSION sql_if_exists = 1;
-- only mariadb
DROP TABLE nothing_at_all;
-- only mariadb
SET SESSION sql_if_exists = 0;
-- only mariadb
SET skip_replication = DEFAULT;
-- only mariadb
SET SESSION system_versioning_asof = '2024-01-01';
-- only mariadb
SELECT @@system_versioning_asof;
-- only mariadb
SET system_versioning_asof = DEFAULT;
-- only mariadb
SET column_compression_threshold = 50;
-- only mariadb
SET SESSION rowid_merge_buff_size = DEFAULT;
-- error 1193
SET no_such_variable = 1;
-- error 1193
SET @@no_such_variable = 1;
-- error 1193
SELECT @@no_such_variable;
-- error 1238 1229
SET version = 'x';
-- error 1229
SET max_connections = 10;
-- error 1227
SET GLOBAL wait_timeout = 5;
-- error 1232
SET wait_timeout = 'abc';
# One second, and back in the same statement: else a pause of the test ends the session at the server.
SET wait_timeout = 0, wait_timeout = DEFAULT;
SELECT @@wait_timeout;
# Out of range, and read back.
SET div_precision_increment = 31;
SELECT @@div_precision_increment, 1 / 7;
SET div_precision_increment = DEFAULT;
-- error 1231
SET autocommit = 7;
-- error 1238
SELECT @@session.max_connections;
SELECT @@global.max_connections > 0;
SELECT @@GLOBAL.time_zone, @@global.sql_mode = @@sql_mode;
SET @old = @@sql_mode, sql_mode = '';
SET sql_mode = @old;
SELECT @@sql_mode = @old;
SET @save = @@time_zone, time_zone = '+01:00', @after = @@time_zone;
SELECT @save, @after;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
-- error@mariadb 1193
SELECT @@transaction_isolation;
SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY;
-- error@mariadb 1193
SELECT @@transaction_isolation, @@transaction_read_only;
-- error 1792
INSERT INTO su VALUES (7, 7);
SELECT COUNT(*) FROM su;
SET SESSION TRANSACTION READ WRITE;
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
-- error@mariadb 1193
SET transaction_isolation = 'READ-UNCOMMITTED';
-- error@mariadb 1193
SELECT @@transaction_isolation;
-- error@mariadb 1193
SET transaction_isolation = DEFAULT;
-- error@mariadb 1193
SET transaction_read_only = ON;
-- error@mysql 1792
DELETE FROM su;
-- error@mariadb 1193
SET transaction_read_only = OFF;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
-- error@mariadb 1193
SELECT @@transaction_isolation;
SET TRANSACTION READ ONLY;
-- error 1792
UPDATE su SET v = 9;
-- error 1792
UPDATE su SET v = 9;
-- only mariadb
SET tx_isolation = 'SERIALIZABLE';
-- only mariadb
SELECT @@tx_isolation, @@tx_read_only;
-- only mariadb
SET tx_isolation = DEFAULT;
SET profiling = 0;
-- error@mariadb 1372
SET PASSWORD = 'app';
SET ROLE NONE;
-- only mysql
SET ROLE DEFAULT;
-- error 1227
SET sql_log_off = 0;
-- error 1227
SET sql_log_bin = 0;
-- command reset
-- error@mariadb 1193
SELECT @a, @@sql_mode = @@global.sql_mode, @@transaction_isolation, DATABASE(), CHARSET('x'), COLLATION('x');
SET @a = 5, sql_mode = 'ANSI';
SET NAMES latin1;
-- command changeuser
SELECT @a, @@sql_mode = @@global.sql_mode, CHARSET('x'), DATABASE(), CURRENT_USER();
USE eq_sessions;
-- command ping
-- command option 1
-- command option 0
-- command initdb eq_sessions
SELECT DATABASE();
-- error 1049 1044
-- command initdb nothing_here
SELECT DATABASE();
SET @r = 5;
-- command reconnect
SELECT @r, DATABASE();
-- error@mariadb 1227
-- error@mysql 1064
RESET QUERY CACHE;
DROP TABLE su;
-- session b super
SET @b = 'second';
SELECT @b, @a, CURRENT_USER();
SET SESSION sql_log_bin = 1;
-- only mysql
SET PERSIST_ONLY max_connections = 500;
-- only mysql
RESET PERSIST max_connections;
-- only mysql
RESET PERSIST IF EXISTS max_connections;
-- session a
SELECT @b;

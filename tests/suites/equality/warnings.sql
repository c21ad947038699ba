# Warnings, notes and errors, and all ways to read them after the statement.
CREATE TABLE w (id TINYINT PRIMARY KEY, v VARCHAR(3), d DATE, n INT NOT NULL);
SET sql_mode = '';
-- nowarn
-- error 1048
INSERT INTO w VALUES (300, 'abcdef', '2024-13-01', NULL);
-- nowarn
INSERT INTO w VALUES (1, 'abcdef', '2024-13-01', 5), (2, 'x', 'nonsense', 6);
SHOW WARNINGS;
-- nowarn
INSERT IGNORE INTO w VALUES (1, 'dup', NULL, 1);
SHOW COUNT(*) WARNINGS;
-- nowarn
INSERT IGNORE INTO w VALUES (1, 'dup', NULL, 1);
SELECT @@warning_count;
-- nowarn
INSERT IGNORE INTO w VALUES (1, 'dup', NULL, 1);
SELECT @@error_count, @@warning_count;
-- nowarn
-- error 1146
SELECT * FROM missing;
SHOW ERRORS;
-- nowarn
-- error 1146
SELECT * FROM missing;
SHOW COUNT(*) ERRORS;
-- nowarn
-- error 1064
SELEC 1;
SHOW WARNINGS;
-- nowarn
-- error 1064
SELEC 1;
SELECT @@error_count;
-- nowarn
DROP TABLE IF EXISTS a1, a2, a3;
SHOW WARNINGS LIMIT 1;
SHOW WARNINGS LIMIT 1, 1;
SHOW WARNINGS;
-- nowarn
DROP TABLE IF EXISTS a1;
SELECT 1;
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + 1, '5x' * 2, CAST('2024-99-01' AS DATE), 1 / 0;
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + 1;
SET @x = 1;
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + 1;
USE eq_warnings;
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + 1 FROM w;
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + 1;
-- command ping
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + 1;
-- mask *all: MySQL counts the warnings of the statement before it, which ran on another server
-- command initdb eq_warnings
SHOW WARNINGS;
-- nowarn
SELECT 'abc' + id FROM w ORDER BY id;
SELECT @@warning_count;
SHOW WARNINGS;
-- nowarn
UPDATE w SET v = 'toolong', n = NULL;
SHOW WARNINGS;
-- nowarn
ALTER TABLE w ADD COLUMN t TIMESTAMP NULL DEFAULT NULL, ADD KEY (n), ADD KEY same (n);
SHOW WARNINGS;
-- nowarn
CREATE TABLE IF NOT EXISTS w (id INT);
SHOW WARNINGS;
-- nowarn
CREATE DATABASE IF NOT EXISTS eq_warnings;
SHOW WARNINGS;
SET sql_mode = DEFAULT;
-- nowarn
-- error 1264
INSERT INTO w (id, n) VALUES (1000, 1);
SHOW WARNINGS;
-- nowarn
-- error 1364
INSERT INTO w (id) VALUES (9);
SHOW ERRORS LIMIT 1;
-- error 1062
INSERT INTO w (id, n) VALUES (9, 1), (9, 2);
-- error 1048
UPDATE w SET n = NULL WHERE id = 1;
SELECT CAST('abc' AS SIGNED), CAST('9999999999999999999' AS SIGNED);
SELECT CONVERT('x', DATE), STR_TO_DATE('x', '%Y');
SELECT 1 FROM w WHERE v = 5;
-- error@mysql 1525
SELECT id FROM w WHERE d = '2024-99-99';
SELECT GROUP_CONCAT(REPEAT('x', 1000), REPEAT('y', 1000000)) IS NULL FROM w;
SELECT DATE_ADD('9999-12-31', INTERVAL 1 DAY), ADDTIME('838:59:59', '1:0:0');
SELECT INET_ATON('no ip'), UNHEX('zz'), FROM_BASE64('!!');
-- error 1064
SELECT 0x, x'1';
SELECT REPEAT('x', 300000000) IS NULL;
SELECT TRUE COLLATE utf8mb4_bin;
SELECT JSON_VALID(NULL), JSON_EXTRACT('[1]', '$[5]');
-- only mariadb
SELECT id, v FROM w PROCEDURE ANALYSE();
SELECT SQL_CALC_FOUND_ROWS 1;
SELECT @a := 1;
SELECT 1 && 1;
SELECT BINARY 'a';
-- only mariadb
SELECT id FROM w GROUP BY id DESC;
-- only mysql
SELECT VALUES(v) FROM w LIMIT 1;
CREATE TABLE zf (a INT(5) ZEROFILL, b FLOAT(7,2), c DOUBLE(8,3) UNSIGNED, y YEAR(4));
CREATE TABLE u3 (a VARCHAR(5) CHARACTER SET utf8);
-- error 1286
CREATE TABLE noe (a INT) ENGINE=NoEngineAtAll;
DROP TABLE IF EXISTS zf, u3, noe;
-- error 1213 1644
SIGNAL SQLSTATE '40001' SET MESSAGE_TEXT = 'a made deadlock', MYSQL_ERRNO = 1213;
-- error 1045 1644
SIGNAL SQLSTATE '28000' SET MYSQL_ERRNO = 1045;
-- error 1290 1644
SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'looks like read_only', MYSQL_ERRNO = 1290;
-- error 1836 1644
SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'read only mode, they say', MYSQL_ERRNO = 1836;
-- error 1792 1644
SIGNAL SQLSTATE '25006' SET MESSAGE_TEXT = 'read only transaction, they say', MYSQL_ERRNO = 1792;
-- error 1053 1644
SIGNAL SQLSTATE '08S01' SET MESSAGE_TEXT = 'shutdown, they say', MYSQL_ERRNO = 1053;
-- error 1615 1644
SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'prepare again, they say', MYSQL_ERRNO = 1615;
-- error 1243 1644
SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'unknown handler, they say', MYSQL_ERRNO = 1243;
SELECT 1;
-- params 'abc'
SELECT ? + 1;
-- nowarn
-- params 'abc'
SELECT ? + 1;
SHOW WARNINGS;
-- nowarn
-- params 'abc'
SELECT id, 'x' + 1 FROM w WHERE v < ?;
SHOW WARNINGS;
DROP TABLE w;

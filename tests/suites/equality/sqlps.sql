# PREPARE, EXECUTE, DEALLOCATE as SQL; the binary protocol's corners.
CREATE TABLE s (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO s VALUES (1, 'a'), (2, 'b'), (3, NULL);
PREPARE p1 FROM 'SELECT * FROM s WHERE id = ?';
SET @id = 1;
EXECUTE p1 USING @id;
SET @id = 2;
EXECUTE p1 USING @id;
EXECUTE p1 USING @undefined;
-- error 1210
EXECUTE p1;
-- error 1210
EXECUTE p1 USING @id, @id;
PREPARE p2 FROM 'INSERT INTO s VALUES (?, ?)';
SET @a = 10, @b = 'ten';
EXECUTE p2 USING @a, @b;
-- error 1062
EXECUTE p2 USING @a, @b;
SELECT * FROM s ORDER BY id;
PREPARE p1 FROM 'SELECT COUNT(*) FROM s';
EXECUTE p1;
DEALLOCATE PREPARE p1;
-- error 1243
EXECUTE p1;
-- error 1243
DEALLOCATE PREPARE p1;
DROP PREPARE p2;
SET @q = 'SELECT 1 + ? AS r';
PREPARE p3 FROM @q;
SET @one = 41;
EXECUTE p3 USING @one;
-- error 1064
PREPARE p4 FROM 'SELEC';
-- error 1064
PREPARE p4 FROM 'SELECT 1; SELECT 2';
-- error 1146
PREPARE p4 FROM 'SELECT * FROM nothing';
-- error 1295
PREPARE p4 FROM 'PREPARE x FROM "SELECT 1"';
-- error 1064
PREPARE p4 FROM NULL;
PREPARE p5 FROM 'SET @made = 7';
EXECUTE p5;
SELECT @made;
PREPARE p6 FROM 'SELECT @made := @made + 1';
EXECUTE p6;
EXECUTE p6;
SELECT @made;
PREPARE p7 FROM 'CREATE TABLE s2 (id INT)';
EXECUTE p7;
-- error 1050
EXECUTE p7;
DROP TABLE s2;
EXECUTE p7;
DROP TABLE s2;
PREPARE p8 FROM 'SELECT id FROM s ORDER BY id LIMIT ?, ?';
SET @o = 1, @l = 1;
EXECUTE p8 USING @o, @l;
PREPARE p9 FROM 'SELECT * FROM s ORDER BY id';
EXECUTE p9;
ALTER TABLE s ADD COLUMN extra INT DEFAULT 5;
EXECUTE p9;
ALTER TABLE s DROP COLUMN extra;
EXECUTE p9;
PREPARE p10 FROM 'UPDATE s SET v = ? WHERE id = ?';
SET @v = 'changed';
EXECUTE p10 USING @v, @id;
SELECT v FROM s WHERE id = 2;
PREPARE p11 FROM 'SHOW TABLES';
EXECUTE p11;
PREPARE p12 FROM 'SHOW COLUMNS FROM s';
EXECUTE p12;
PREPARE p13 FROM 'EXPLAIN SELECT 1';
EXECUTE p13;
PREPARE p14 FROM 'COMMIT';
BEGIN;
DELETE FROM s WHERE id = 10;
EXECUTE p14;
ROLLBACK;
SELECT COUNT(*) FROM s;
-- error@mysql 1295
PREPARE p15 FROM 'USE eq_sqlps';
PREPARE p16 FROM 'SELECT DATABASE()';
EXECUTE p16;
PREPARE p17 FROM 'SELECT ? AS v, ? AS w';
SET @i = 5, @t = 'text', @n = NULL, @d = 1.5;
EXECUTE p17 USING @i, @t;
EXECUTE p17 USING @t, @i;
EXECUTE p17 USING @n, @d;
PREPARE p18 FROM 'SELECT v FROM s WHERE v LIKE CONCAT(?, "%") ORDER BY id FOR UPDATE';
SET @p = 'c';
EXECUTE p18 USING @p;
-- error@mysql 1305
PREPARE p19 FROM 'CALL nothing()';
-- error 1305 1243
EXECUTE p19;
PREPARE p20 FROM 'ANALYZE TABLE s';
EXECUTE p20;
PREPARE p21 FROM 'SELECT "a" + 1';
-- nowarn
EXECUTE p21;
SHOW WARNINGS;
PREPARE p22 FROM 'SELECT LAST_INSERT_ID()';
EXECUTE p22;
-- error@mysql 1295
PREPARE p23 FROM 'START TRANSACTION READ ONLY';
PREPARE p24 FROM 'SET NAMES latin1';
PREPARE p24 FROM 'TRUNCATE TABLE s';
-- session b
-- error 1243
EXECUTE p9;
SELECT COUNT(*) FROM s;
-- session a
EXECUTE p9;
-- only mariadb
EXECUTE IMMEDIATE 'SELECT 1';
-- only mariadb
EXECUTE IMMEDIATE 'SELECT ? + ?' USING 1, 2;
-- only mariadb
EXECUTE IMMEDIATE CONCAT('SELECT COUNT(*) FROM ', 's');
-- only mariadb
EXECUTE IMMEDIATE 'INSERT INTO s VALUES (?, ?)' USING 200, 'imm';
-- only mariadb
PREPARE pm FROM CONCAT('SELECT ', '5');
-- only mariadb
EXECUTE pm;
-- only mariadb
EXECUTE IMMEDIATE 'SET @imm = 5';
-- only mariadb
SELECT @imm;
-- command reset
-- error 1243
EXECUTE p9;
PREPARE p9 FROM 'SELECT 9';
EXECUTE p9;
-- command changeuser
-- error 1243
EXECUTE p9;
PREPARE p9 FROM 'SELECT 10';
-- command reconnect
-- error 1243
EXECUTE p9;
-- params 1, 'x'
-- params 2, 'long text that is longer than the column could be if it had been short'
SELECT ? AS a, ? AS b;
-- params 2, NULL
SELECT ? AS a, ? AS c;
-- params NULL, 'long text'
SELECT ? AS a, ? AS d;
-- params 1
-- params 2
-- params 3
-- params 1
SELECT v FROM s WHERE id = ?;
-- params 'a', 'b'
SELECT id FROM s WHERE v IN (?, ?) ORDER BY id;
-- params 500, 'from binary'
INSERT INTO s (id, v) VALUES (?, ?);
-- error 1062
-- params 501, 'one'
-- params 501, 'one again'
-- params 502, 'two'
INSERT INTO s (id, v) VALUES (?, ?);
-- params 'z', 500
-- params 'z', 500
UPDATE s SET v = ? WHERE id = ?;
-- params 500
-- params 501
-- params 502
DELETE FROM s WHERE id = ?;
-- params 1
SELECT * FROM s WHERE id = ? FOR UPDATE;
-- params 1, 2
SELECT SUM(id), COUNT(*), AVG(id), MIN(v) FROM s WHERE id BETWEEN ? AND ?;
-- params '2024-01-01', '2025-01-01'
SELECT DATE_ADD(?, INTERVAL 1 DAY), YEAR(?) IS NULL FROM (SELECT 1 AS x) t;
-- params 5
SELECT @pv := ?;
SELECT @pv;
-- params 7
SET @pw = ?;
SELECT @pw;
-- params 'UTC'
SELECT CONVERT_TZ('2024-01-01 00:00:00', '+00:00', ?) IS NULL;
-- error 1064
-- params 1
SELECT ? FROM;
-- error 1146
-- params 1
SELECT * FROM nothing WHERE id = ?;
-- params 1
-- params 'x'
SELECT CAST(? AS SIGNED);
-- params 3
WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < ?) SELECT * FROM c;
-- params 2
DO SLEEP(0), ?;
-- params 'v'
SHOW COLUMNS FROM s WHERE Field = ?;
-- command cursor 1 SELECT * FROM s ORDER BY id
-- command cursor 2 SELECT id FROM s ORDER BY id DESC
-- command cursor 5 SELECT id FROM s WHERE 1 = 0
-- command cursor 1 SHOW TABLES
-- command cursor 1 UPDATE s SET v = 'cur' WHERE id = 1
-- error 1146
-- command cursor 1 SELECT * FROM nothing
-- params 2
-- params 3
-- command cursor 1 SELECT id, v FROM s WHERE id <= ? ORDER BY id
BEGIN;
-- command cursor 1 SELECT id FROM s ORDER BY id
COMMIT;
DROP TABLE s;

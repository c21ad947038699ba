# Temporary tables: what one session alone sees, on top of and beside the real ones.
CREATE TABLE real_t (id INT PRIMARY KEY, v VARCHAR(10));
INSERT INTO real_t VALUES (1, 'real'), (2, 'real');
CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY, v VARCHAR(10));
INSERT INTO tmp VALUES (1, 'a'), (2, 'b');
SELECT * FROM tmp ORDER BY id;
SELECT r.id, t.v FROM real_t r JOIN tmp t USING (id) ORDER BY 1;
SHOW CREATE TABLE tmp;
SHOW TABLES;
DESCRIBE tmp;
UPDATE tmp SET v = 'c' WHERE id = 1;
SELECT v FROM tmp WHERE id = 1;
-- session b
-- error 1146
SELECT * FROM tmp;
SELECT COUNT(*) FROM real_t;
CREATE TEMPORARY TABLE tmp (other INT);
SELECT * FROM tmp;
-- session a
SELECT COUNT(*) FROM tmp;
CREATE TEMPORARY TABLE real_t (id INT, only_mine INT);
SELECT * FROM real_t;
INSERT INTO real_t VALUES (9, 9);
SELECT * FROM real_t;
-- session b
SELECT * FROM real_t ORDER BY id;
-- session a
DROP TEMPORARY TABLE real_t;
SELECT * FROM real_t ORDER BY id;
ALTER TABLE tmp ADD COLUMN extra INT DEFAULT 5;
SELECT * FROM tmp ORDER BY id;
TRUNCATE TABLE tmp;
SELECT COUNT(*) FROM tmp;
-- error 1050
CREATE TEMPORARY TABLE tmp (id INT);
CREATE TEMPORARY TABLE IF NOT EXISTS tmp (id INT);
DROP TEMPORARY TABLE tmp;
-- error 1146
SELECT * FROM tmp;
-- error 1051
DROP TEMPORARY TABLE tmp;
DROP TEMPORARY TABLE IF EXISTS tmp;
CREATE TEMPORARY TABLE t2 AS SELECT * FROM real_t;
SELECT COUNT(*) FROM t2;
CREATE TEMPORARY TABLE t3 LIKE real_t;
INSERT INTO t3 SELECT * FROM t2;
SELECT * FROM t3 ORDER BY id;
BEGIN;
INSERT INTO t3 VALUES (3, 'tx');
ROLLBACK;
SELECT COUNT(*) FROM t3;
DROP TABLE t2, t3;
/* a comment first */ CREATE /* inside */ TEMPORARY TABLE c1 (id INT);
SELECT COUNT(*) FROM c1;
DROP TABLE c1;
CREATE TEMPORARY TABLE eng (id INT) ENGINE=MEMORY;
INSERT INTO eng VALUES (1), (2);
SELECT SUM(id) FROM eng;
SELECT GROUP_CONCAT(id ORDER BY id) FROM eng;
-- params 1
SELECT id FROM eng WHERE id = ?;
-- params 5
INSERT INTO eng VALUES (?);
SELECT MAX(id) FROM eng;
-- command reset
-- error 1146
SELECT * FROM eng;
CREATE TEMPORARY TABLE eng (id INT);
-- command changeuser
-- error 1146
SELECT * FROM eng;
CREATE TEMPORARY TABLE eng (id INT);
-- command reconnect
-- error 1146
SELECT * FROM eng;
DELIMITER //
CREATE PROCEDURE make_tmp() BEGIN CREATE TEMPORARY TABLE from_proc (id INT); INSERT INTO from_proc VALUES (1), (2); END//
DELIMITER ;
CALL make_tmp();
SELECT COUNT(*) FROM from_proc;
SELECT SUM(id) FROM from_proc;
DROP TEMPORARY TABLE from_proc;
DROP PROCEDURE make_tmp;
PREPARE p FROM 'CREATE TEMPORARY TABLE from_ps (id INT)';
EXECUTE p;
SELECT COUNT(*) FROM from_ps;
INSERT INTO from_ps VALUES (1);
SELECT COUNT(*) FROM from_ps;
DROP TABLE from_ps;
DEALLOCATE PREPARE p;
-- only mariadb
CREATE OR REPLACE TEMPORARY TABLE crt (id INT);
-- only mariadb
SELECT COUNT(*) FROM crt;
-- only mariadb
EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE imm (id INT)';
-- only mariadb
SELECT COUNT(*) FROM imm;
SELECT COUNT(*) FROM real_t;
DROP TABLE real_t;

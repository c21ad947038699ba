# INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, SELECT in all shapes, joins, unions, subqueries, CTEs, window functions.
CREATE TABLE emp (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(30) NOT NULL, dept VARCHAR(10), salary DECIMAL(10,2), boss INT, hired DATE, UNIQUE KEY (name));
CREATE TABLE dept (code VARCHAR(10) PRIMARY KEY, title VARCHAR(40), budget INT);
INSERT INTO dept VALUES ('it', 'Information', 1000), ('hr', 'People', 200), ('fin', 'Finance', 500), ('none', 'Empty', NULL);
INSERT INTO emp (name, dept, salary, boss, hired) VALUES ('ann', 'it', 5000, NULL, '2010-01-01'), ('bob', 'it', 4000, 1, '2012-03-04'), ('cid', 'hr', 3000, 1, '2015-06-07'), ('dan', 'fin', 3500, 1, '2018-09-10'), ('eve', 'it', 4500, 2, '2020-11-12'), ('fay', NULL, NULL, 3, NULL);
SELECT LAST_INSERT_ID();
INSERT INTO emp SET name = 'gus', dept = 'hr', salary = 2500.505;
INSERT INTO emp (name) VALUES ('hal');
SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity;
INSERT INTO emp (id, name) VALUES (100, 'ida');
SELECT LAST_INSERT_ID();
INSERT INTO emp (name) VALUES ('jon');
SELECT LAST_INSERT_ID();
-- error 1062
INSERT INTO emp (name) VALUES ('ann');
INSERT IGNORE INTO emp (name) VALUES ('ann'), ('kim');
INSERT INTO emp (name, salary) VALUES ('ann', 1) ON DUPLICATE KEY UPDATE salary = salary + 1;
INSERT INTO emp (name, salary) VALUES ('ann', 1) ON DUPLICATE KEY UPDATE salary = salary;
INSERT INTO emp (name, salary) VALUES ('lee', 10), ('bob', 20) ON DUPLICATE KEY UPDATE salary = VALUES(salary) + 4000;
-- only mysql
INSERT INTO emp (name, salary) VALUES ('lee', 10) AS new ON DUPLICATE KEY UPDATE salary = new.salary;
-- only mysql
INSERT INTO emp (name, salary) VALUES ROW('mia', 1), ROW('ned', 2);
-- only mariadb
INSERT INTO emp (name, salary) VALUES ('mia', 1), ('ned', 2) RETURNING id, name;
-- only mariadb
INSERT INTO emp (name) VALUES ('ole') RETURNING id * 2 AS twice, UPPER(name);
INSERT INTO emp (name, dept) SELECT CONCAT(name, '2'), dept FROM emp WHERE dept = 'hr' ORDER BY id;
INSERT LOW_PRIORITY INTO emp (name) VALUES ('pia');
INSERT HIGH_PRIORITY INTO emp (name) VALUES ('qui');
-- error@mariadb 1616
INSERT DELAYED INTO emp (name) VALUES ('ron');
INSERT INTO emp (name, salary) VALUES ('sue', (SELECT MAX(budget) FROM dept));
-- error 1136
INSERT INTO emp VALUES (1, 2);
-- error 1048
INSERT INTO emp (name) VALUES (NULL);
-- error 1054
INSERT INTO emp (nothing) VALUES (1);
-- error 1364
INSERT INTO emp (dept) VALUES ('it');
-- error 1110
INSERT INTO emp (name, name) VALUES (1, 2);
REPLACE INTO dept VALUES ('it', 'Info', 1100);
REPLACE dept SET code = 'ops', title = 'Operations';
REPLACE INTO dept SELECT CONCAT(code, 'x'), title, budget FROM dept WHERE code = 'hr';
-- only mariadb
REPLACE INTO dept VALUES ('it', 'Info', 1200) RETURNING code, budget;
SELECT * FROM dept ORDER BY code;
UPDATE emp SET salary = 100 WHERE name = 'hal';
UPDATE emp SET salary = 100 WHERE name = 'hal';
UPDATE emp SET salary = salary * 2, dept = 'fin' WHERE name IN ('hal', 'ida', 'jon');
UPDATE emp SET boss = 1 ORDER BY id LIMIT 3;
UPDATE emp e JOIN dept d ON e.dept = d.code SET e.salary = e.salary + 1, d.budget = d.budget - 1 WHERE d.code = 'it';
UPDATE emp, dept SET emp.hired = '2021-01-01' WHERE emp.dept = dept.code AND dept.code = 'fin';
UPDATE LOW_PRIORITY IGNORE emp SET name = 'ann' WHERE name = 'bob';
-- error 1062
UPDATE emp SET name = 'ann' WHERE name = 'bob';
UPDATE emp SET dept = DEFAULT WHERE name = 'pia';
UPDATE emp SET dept = (SELECT code FROM dept ORDER BY code LIMIT 1) WHERE name = 'qui';
-- error@mysql 1093
UPDATE dept SET budget = (SELECT MAX(budget) FROM (SELECT 1) x, dept) WHERE code = 'hr';
-- only mysql
WITH top AS (SELECT code FROM dept ORDER BY budget DESC LIMIT 1) UPDATE dept SET title = 'Top' WHERE code IN (SELECT code FROM top);
-- only mysql
WITH low AS (SELECT 'opx' AS code) DELETE FROM dept WHERE code IN (SELECT code FROM low);
UPDATE emp SET salary = 1 WHERE 0;
-- error 1054
UPDATE emp SET nothing = 1;
-- error 1690
UPDATE dept SET budget = 18446744073709551615 + 1;
DELETE FROM emp WHERE name = 'ron';
DELETE FROM emp WHERE name = 'ron';
DELETE FROM emp ORDER BY id DESC LIMIT 1;
DELETE e FROM emp e LEFT JOIN dept d ON e.dept = d.code WHERE d.code IS NULL AND e.name = 'pia';
DELETE FROM e USING emp AS e JOIN dept AS d ON e.dept = d.code WHERE d.code = 'nothing';
DELETE QUICK IGNORE FROM emp WHERE id = 99999;
-- only mariadb
DELETE FROM emp WHERE name = 'lee' RETURNING name;
-- only mysql
DELETE FROM emp WHERE name = 'lee';
SELECT * FROM emp ORDER BY id;
SELECT name FROM emp WHERE salary > 3000 ORDER BY name;
SELECT DISTINCT dept FROM emp;
SELECT DISTINCTROW dept FROM emp ORDER BY dept;
SELECT ALL dept FROM emp LIMIT 3, 2;
SELECT name FROM emp ORDER BY id LIMIT 2 OFFSET 1;
SELECT name AS n, salary s, salary * 12 AS `per year` FROM emp WHERE id = 1;
SELECT e.*, d.title FROM emp e INNER JOIN dept d ON e.dept = d.code ORDER BY e.id;
SELECT e.name, d.title FROM emp e LEFT OUTER JOIN dept d ON e.dept = d.code ORDER BY 1;
SELECT d.code, e.name FROM emp e RIGHT JOIN dept d ON e.dept = d.code ORDER BY 1, 2;
SELECT a.name, b.name FROM emp a CROSS JOIN emp b WHERE a.id < b.id AND b.id < 4 ORDER BY 1, 2;
SELECT a.code FROM dept a NATURAL JOIN dept b ORDER BY 1;
SELECT code FROM dept JOIN (SELECT 'hr' AS code) x USING (code);
SELECT STRAIGHT_JOIN a.name FROM emp a, emp b WHERE a.id = b.boss ORDER BY 1;
SELECT a.name FROM emp a STRAIGHT_JOIN emp b ON a.id = b.boss ORDER BY 1;
SELECT dept, COUNT(*), SUM(salary), AVG(salary), MIN(name), MAX(hired) FROM emp GROUP BY dept ORDER BY dept;
SELECT dept, COUNT(*) AS n FROM emp GROUP BY dept HAVING n > 1 ORDER BY n DESC, dept;
SELECT dept, SUM(salary) FROM emp GROUP BY dept WITH ROLLUP;
SELECT COUNT(DISTINCT dept), COUNT(dept), COUNT(*) FROM emp;
SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR '; ') FROM emp WHERE id < 5;
SELECT BIT_AND(id), BIT_OR(id), BIT_XOR(id), STD(id), STDDEV_POP(id), STDDEV_SAMP(id), VARIANCE(id), VAR_POP(id), VAR_SAMP(id) FROM emp WHERE id < 6;
SELECT name FROM emp WHERE dept IN (SELECT code FROM dept WHERE budget > 300) ORDER BY name;
SELECT name FROM emp e WHERE EXISTS (SELECT 1 FROM emp b WHERE b.boss = e.id) ORDER BY name;
SELECT name FROM emp e WHERE NOT EXISTS (SELECT * FROM emp b WHERE b.boss = e.id) AND id < 7 ORDER BY name;
SELECT name FROM emp WHERE salary >= ALL (SELECT salary FROM emp WHERE salary IS NOT NULL);
SELECT name FROM emp WHERE salary > ANY (SELECT budget FROM dept WHERE budget IS NOT NULL) ORDER BY name;
SELECT name, (SELECT title FROM dept WHERE code = e.dept) AS t FROM emp e ORDER BY id LIMIT 4;
-- error 1242
SELECT (SELECT code FROM dept);
-- error 1241
SELECT (SELECT code, title FROM dept LIMIT 1);
SELECT * FROM (SELECT dept, MAX(salary) AS m FROM emp GROUP BY dept) x WHERE m > 4000 ORDER BY dept;
-- error 1248 1064
SELECT * FROM (SELECT 1);
SELECT (1, 2) = (1, 2), (1, 2) IN ((1, 2), (3, 4)), ROW(1, 2) < ROW(1, 3);
SELECT code FROM dept UNION SELECT dept FROM emp WHERE dept IS NOT NULL ORDER BY 1;
SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 2;
(SELECT name FROM emp ORDER BY id LIMIT 1) UNION (SELECT code FROM dept ORDER BY code LIMIT 1) ORDER BY 1;
SELECT 1 AS a UNION SELECT 'x' UNION SELECT NULL ORDER BY a;
SELECT dept FROM emp INTERSECT SELECT code FROM dept;
SELECT code FROM dept EXCEPT SELECT dept FROM emp WHERE dept IS NOT NULL;
SELECT 1 INTERSECT SELECT 1 UNION SELECT 3 ORDER BY 1;
-- error 1222
SELECT 1 UNION SELECT 1, 2;
-- only mysql
TABLE dept ORDER BY code LIMIT 2;
-- only mysql
VALUES ROW(1, 'a'), ROW(2, 'b') ORDER BY 1;
-- only mariadb
VALUES (1, 'a'), (2, 'b');
-- only mariadb
WITH v AS (VALUES (1, 'a'), (2, 'b')) SELECT * FROM v;
WITH x AS (SELECT 1 AS n) SELECT * FROM x;
WITH x (a, b) AS (SELECT 1, 2), y AS (SELECT a + b AS c FROM x) SELECT * FROM x, y;
WITH RECURSIVE seq AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM seq WHERE n < 10) SELECT SUM(n), MAX(n), COUNT(*) FROM seq;
WITH RECURSIVE tree AS (SELECT id, name, 0 AS depth FROM emp WHERE boss IS NULL AND id = 1 UNION ALL SELECT e.id, e.name, t.depth + 1 FROM emp e JOIN tree t ON e.boss = t.id WHERE e.id > 3 AND t.depth < 3) SELECT * FROM tree ORDER BY depth, id;
WITH RECURSIVE fib (n, a, b) AS (SELECT 1, 0, 1 UNION ALL SELECT n + 1, b, a + b FROM fib WHERE n < 15) SELECT n, a FROM fib ORDER BY n;
-- error@mysql 3636
WITH RECURSIVE inf AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM inf WHERE n < 1500) SELECT MAX(n) FROM inf;
SELECT name, ROW_NUMBER() OVER (ORDER BY id) AS rn FROM emp ORDER BY id;
SELECT name, salary, RANK() OVER (ORDER BY salary DESC) r, DENSE_RANK() OVER (ORDER BY salary DESC) dr, PERCENT_RANK() OVER (ORDER BY salary) pr, CUME_DIST() OVER (ORDER BY salary) cd FROM emp ORDER BY id;
SELECT name, NTILE(3) OVER (ORDER BY id) FROM emp ORDER BY id;
SELECT name, LAG(name) OVER w, LEAD(name, 2) OVER w FROM emp WINDOW w AS (ORDER BY id) ORDER BY id;
SELECT name, FIRST_VALUE(name) OVER (PARTITION BY dept ORDER BY id) f, LAST_VALUE(name) OVER (PARTITION BY dept ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) l, NTH_VALUE(name, 2) OVER (PARTITION BY dept ORDER BY id) n FROM emp ORDER BY id;
SELECT id, SUM(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) s, AVG(id) OVER (PARTITION BY dept) a FROM emp ORDER BY id;
SELECT id, COUNT(*) OVER (ORDER BY id RANGE BETWEEN 2 PRECEDING AND CURRENT ROW) FROM emp WHERE id < 9 ORDER BY id;
-- error 3593 4015
SELECT 1 FROM emp WHERE ROW_NUMBER() OVER () = 1;
SELECT SQL_CALC_FOUND_ROWS id FROM emp ORDER BY id LIMIT 2;
SELECT FOUND_ROWS();
SELECT SQL_NO_CACHE id FROM emp ORDER BY id LIMIT 1;
SELECT SQL_SMALL_RESULT dept, COUNT(*) FROM emp GROUP BY dept ORDER BY dept;
SELECT SQL_BIG_RESULT SQL_BUFFER_RESULT dept FROM emp GROUP BY dept ORDER BY dept;
SELECT HIGH_PRIORITY id FROM emp WHERE id = 1;
SELECT id FROM emp USE INDEX (PRIMARY) WHERE id = 1;
SELECT id FROM emp FORCE INDEX FOR ORDER BY (PRIMARY) ORDER BY id LIMIT 1;
SELECT id FROM emp IGNORE INDEX (name) WHERE name = 'ann';
-- error 1176
SELECT id FROM emp USE INDEX (nothing);
SELECT /*+ MAX_EXECUTION_TIME(5000) */ id FROM emp WHERE id = 1;
SELECT /*+ NO_SUCH_HINT(x) */ 1;
SELECT /* a comment */ 1 -- to the end
;
SELECT 1 # hash
;
SELECT /*! 1, */ 2;
SELECT /*!50000 3, */ 4;
SELECT /*!99999 nothing, */ 5;
SELECT /*M! 6, */ 7;
SELECT /*!999999 8, */ 9;
SELECT 1 FROM DUAL;
SELECT 1 + 1 FROM DUAL WHERE 1 = 1;
SELECT * FROM emp WHERE id = 1 FOR UPDATE;
SELECT * FROM emp WHERE id = 1 LOCK IN SHARE MODE;
-- only mysql
SELECT * FROM emp WHERE id = 1 FOR SHARE;
-- only mysql
SELECT e.id FROM emp e, dept d WHERE e.id = 1 AND d.code = 'it' FOR UPDATE OF e NOWAIT;
SELECT id FROM emp WHERE id = 1 FOR UPDATE SKIP LOCKED;
SELECT id FROM emp WHERE id = 1 FOR UPDATE NOWAIT;
SELECT id, name FROM emp WHERE id = 1 INTO @a, @b;
SELECT @a, @b;
SELECT id INTO @c FROM emp WHERE id = 2;
SELECT @c, @c + 1;
-- error 1172
SELECT id INTO @c FROM emp;
SELECT id INTO @nothing FROM emp WHERE id = -1;
SELECT @nothing;
-- error 1222
SELECT id INTO @a, @b FROM emp WHERE id = 1;
-- params 1
-- params 2
-- params -7
SELECT id, name, salary, hired FROM emp WHERE id = ?;
-- params 'it', 1000
-- params NULL, 1000
SELECT name FROM emp WHERE dept = ? AND salary > ? ORDER BY name;
-- params 2, 1
SELECT id FROM emp ORDER BY id LIMIT ? OFFSET ?;
-- params 'zed', 12
-- params 'zoe', NULL
INSERT INTO emp (name, salary) VALUES (?, ?);
-- error 1062
-- params 'zed', 12
INSERT INTO emp (name, salary) VALUES (?, ?);
-- params 13, 'zed'
UPDATE emp SET salary = ? WHERE name = ?;
-- params 'zed'
-- params 'zed'
DELETE FROM emp WHERE name = ?;
-- params 1, 'x', NULL
SELECT ?, ?, ?;
-- params 3, 4
SELECT ? + ? AS total, CONCAT('a', NULL) AS n;
-- params '%a%'
SELECT COUNT(*) FROM emp WHERE name LIKE ?;
-- command cursor 2 SELECT id, name FROM emp ORDER BY id
-- command cursor 100 SELECT id, salary FROM emp ORDER BY id
-- params 4
-- command cursor 1 SELECT id, hired FROM emp WHERE id < ? ORDER BY id
-- error 1064
SELEC 1;
-- error 1064
SELECT FROM emp;
-- error 1054
SELECT nothing FROM emp;
-- error 1054
SELECT emp.nothing FROM emp;
-- error 1051 1054 1146
SELECT nothing.* FROM emp;
-- error 1052
SELECT id FROM emp a, emp b;
-- error 1066
SELECT 1 FROM emp, emp;
-- error 1111
SELECT name FROM emp WHERE SUM(id) > 1;
-- error@mysql 1055
SELECT name, COUNT(*) FROM emp GROUP BY dept;
-- error@mysql 1140
SELECT name, COUNT(*) FROM emp;
-- error 1305 1630
SELECT no_such_function(1);
-- error 1582 1064
SELECT LEFT('a');
-- error 1096
SELECT *;
-- error 1065
;
/* only a comment */;
LOAD DATA LOCAL INFILE 'whatever.tsv' INTO TABLE dept (code, title);
LOAD DATA LOCAL INFILE 'whatever.tsv' REPLACE INTO TABLE dept FIELDS TERMINATED BY '\t' LINES TERMINATED BY '\n' (code, title) SET budget = 5;
LOAD DATA LOCAL INFILE 'whatever.tsv' IGNORE INTO TABLE dept IGNORE 1 LINES (code, @t) SET title = UPPER(@t);
SELECT * FROM dept ORDER BY code;
-- error 1045
LOAD DATA INFILE '/nothing/here' INTO TABLE dept;
-- error 1045 1227
SELECT 1 INTO OUTFILE '/tmp/never';
-- error 1146
LOAD DATA LOCAL INFILE 'x' INTO TABLE nothing;
DO 1;
DO SLEEP(0), 1 + 1;
-- error 1305
DO nothing(1);
CREATE TABLE ins (id INT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 50;
INSERT INTO ins (v) VALUES (1), (2), (3);
-- nowarn
INSERT INTO ins (v) SELECT v FROM ins;
-- nowarn
SELECT ROW_COUNT();
UPDATE ins SET v = LAST_INSERT_ID(v + 100) WHERE id = 50;
SELECT LAST_INSERT_ID();
INSERT INTO ins (v) VALUES (LAST_INSERT_ID(7));
SELECT LAST_INSERT_ID();
SET LAST_INSERT_ID = 77;
SELECT LAST_INSERT_ID();
SET INSERT_ID = 900;
INSERT INTO ins (v) VALUES (5);
SELECT MAX(id) FROM ins;
INSERT INTO ins VALUES (NULL, 1), (0, 2);
SELECT COUNT(*), MAX(id) FROM ins;
-- nowarn
DELETE FROM ins WHERE v > 100;
-- nowarn
SELECT ROW_COUNT();
SELECT * FROM ins ORDER BY id;
-- nowarn
UPDATE ins SET v = v;
-- nowarn
SELECT ROW_COUNT();
-- nowarn
SELECT id FROM ins ORDER BY id LIMIT 2;
-- nowarn
SELECT FOUND_ROWS(), ROW_COUNT();
HANDLER ins OPEN;
HANDLER ins READ FIRST;
HANDLER ins READ NEXT;
HANDLER ins READ `PRIMARY` = (51);
HANDLER ins READ `PRIMARY` >= (52) LIMIT 2;
HANDLER ins READ `PRIMARY` LAST;
HANDLER ins READ `PRIMARY` PREV WHERE v < 5;
SELECT COUNT(*) FROM ins;
-- error 1066
HANDLER ins OPEN;
HANDLER ins CLOSE;
-- error 1109
HANDLER ins READ FIRST;
HANDLER ins OPEN AS h;
HANDLER h READ FIRST LIMIT 2;
HANDLER h CLOSE;
-- only mysql
EXPLAIN FORMAT=TRADITIONAL SELECT 1;
EXPLAIN SELECT 1;
-- mask rows,filtered: the optimizer's estimate
EXPLAIN SELECT * FROM emp WHERE id = 1;
-- mask rows,filtered: the optimizer's estimate
EXPLAIN SELECT name FROM emp WHERE name = 'ann';
-- mask rows,filtered: the optimizer's estimate
EXPLAIN UPDATE emp SET salary = 1 WHERE id = 1;
-- mask rows,filtered: the optimizer's estimate
EXPLAIN DELETE FROM emp WHERE id = 1;
EXPLAIN INSERT INTO emp (name) VALUES ('x');
-- mask EXPLAIN: costs
EXPLAIN FORMAT=JSON SELECT * FROM emp WHERE id = 1;
-- mask *values: costs
-- only mysql
EXPLAIN FORMAT=TREE SELECT * FROM emp WHERE id = 1;
-- only mysql
-- mask *values: times
EXPLAIN ANALYZE SELECT * FROM emp WHERE id = 1;
-- only mariadb
-- mask *values: times
ANALYZE SELECT * FROM emp WHERE id = 1;
-- only mariadb
-- mask *values: times
ANALYZE FORMAT=JSON SELECT * FROM emp WHERE id = 1;
-- mask rows,filtered: the optimizer's estimate
-- only mariadb
EXPLAIN EXTENDED SELECT * FROM emp WHERE id = 1;
-- only mysql
-- error 1064
IMPORT TABLE FROM;
-- only mariadb
SELECT name FROM emp ORDER BY id FETCH FIRST 2 ROWS ONLY;
-- only mariadb
SELECT name FROM emp ORDER BY id OFFSET 1 ROW FETCH NEXT 1 ROW WITH TIES;
-- only mariadb
SELECT SQL_CACHE 1;
-- only mariadb
SELECT name FROM emp LIMIT 3 ROWS EXAMINED 1000;
-- only mysql
SELECT d.code, x.m FROM dept d, LATERAL (SELECT MAX(salary) AS m FROM emp e WHERE e.dept = d.code) x ORDER BY d.code;
-- only mysql
SELECT dept, GROUPING(dept), COUNT(*) FROM emp GROUP BY dept WITH ROLLUP;
-- only mysql
SELECT ANY_VALUE(name), COUNT(*) > 0 FROM emp WHERE id = 1;
-- only mariadb
SELECT MEDIAN(id) OVER (PARTITION BY dept) FROM emp ORDER BY id;
-- only mariadb
SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY id) OVER () FROM emp LIMIT 1;
DROP TABLE emp, dept, ins;

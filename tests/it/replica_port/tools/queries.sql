-- tool: recursive CTE | both
WITH RECURSIVE r (id, parent_id, name, depth, path) AS (SELECT id, parent_id, name, 0, CAST(name AS CHAR(200)) FROM tree WHERE parent_id IS NULL UNION ALL SELECT t.id, t.parent_id, t.name, r.depth + 1, CONCAT(r.path, '/', t.name) FROM tree t JOIN r ON t.parent_id = r.id WHERE r.depth < 10) SELECT * FROM r ORDER BY path
-- tool: several CTEs | both
WITH a AS (SELECT 1 AS x), b (y) AS (SELECT x + 1 FROM a), c AS (SELECT * FROM a CROSS JOIN b) SELECT c.*, (SELECT MAX(y) FROM b) FROM c
-- tool: CTE in a derived table | both
SELECT * FROM (WITH q AS (SELECT id FROM orders) SELECT * FROM q WHERE id > 1) AS d
-- tool: CTE with UNION in front of parentheses | both
WITH q AS (SELECT 1 AS n) (SELECT n FROM q) UNION ALL (SELECT n + 1 FROM q) ORDER BY n LIMIT 5
-- tool: cycle detection | mariadb
WITH RECURSIVE r AS (SELECT id, parent_id FROM tree UNION SELECT t.id, t.parent_id FROM tree t, r WHERE t.parent_id = r.id) CYCLE id RESTRICT SELECT * FROM r
-- tool: window functions | both
SELECT id, ROW_NUMBER() OVER w, RANK() OVER w, DENSE_RANK() OVER w, PERCENT_RANK() OVER w, CUME_DIST() OVER w, NTILE(4) OVER w, LAG(amount) OVER w, LEAD(amount, 2) OVER w, FIRST_VALUE(amount) OVER w, NTH_VALUE(amount, 2) OVER w FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY created_at)
-- tool: window frames | both
SELECT SUM(amount) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), AVG(amount) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), COUNT(*) OVER (PARTITION BY status ORDER BY id RANGE UNBOUNDED PRECEDING), MAX(amount) OVER (ORDER BY id ROWS 1 PRECEDING) FROM orders
-- tool: named windows that build on each other | both
SELECT SUM(amount) OVER (w ROWS UNBOUNDED PRECEDING) FROM orders WINDOW v AS (PARTITION BY customer_id), w AS (v ORDER BY id)
-- tool: window frames with intervals | mysql
SELECT SUM(amount) OVER (ORDER BY created_at RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND INTERVAL '1' HOUR FOLLOWING) FROM orders
-- tool: RESPECT NULLS | mysql
SELECT FIRST_VALUE(note) RESPECT NULLS OVER (ORDER BY id) FROM orders
-- tool: medians and percentiles | mariadb
SELECT MEDIAN(amount) OVER (PARTITION BY customer_id), PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY amount) OVER (PARTITION BY customer_id), PERCENTILE_DISC(0.9) WITHIN GROUP (ORDER BY amount DESC) OVER (PARTITION BY status) FROM orders
-- tool: GROUP_CONCAT with everything | both
SELECT customer_id, GROUP_CONCAT(DISTINCT status ORDER BY status DESC, id SEPARATOR ' | ') FROM orders GROUP BY customer_id
-- tool: GROUP_CONCAT with LIMIT | mariadb
SELECT GROUP_CONCAT(status ORDER BY id SEPARATOR ',' LIMIT 1, 2) FROM orders
-- tool: ROLLUP | both
SELECT status, YEAR(created_at) AS y, SUM(amount) FROM orders GROUP BY status, y WITH ROLLUP
-- tool: GROUPING | mysql
SELECT IF(GROUPING(status), 'all', status) AS s, SUM(amount) FROM orders GROUP BY status WITH ROLLUP HAVING s IS NOT NULL ORDER BY GROUPING(status)
-- tool: GROUP BY with order | mariadb
SELECT status, COUNT(*) FROM orders GROUP BY status DESC
-- tool: aggregates | both
SELECT COUNT(*), COUNT(DISTINCT status, customer_id), SUM(DISTINCT amount), AVG(amount), MIN(id), MAX(id), STD(amount), STDDEV(amount), STDDEV_POP(amount), STDDEV_SAMP(amount), VAR_POP(amount), VAR_SAMP(amount), VARIANCE(amount), BIT_AND(id), BIT_OR(id), BIT_XOR(id), JSON_ARRAYAGG(status), JSON_OBJECTAGG(id, status) FROM orders
-- tool: JSON operators | mysql
SELECT doc->'$.a', doc->>'$.tags[0]', JSON_EXTRACT(doc, '$.a', '$.tags') FROM orders WHERE doc->'$.a' > 1
-- tool: JSON functions | both
SELECT JSON_VALID(doc), JSON_TYPE(doc), JSON_LENGTH(doc, '$.tags'), JSON_KEYS(doc), JSON_SEARCH(doc, 'one', 'x'), JSON_SET(doc, '$.b', 2), JSON_REMOVE(doc, '$.a'), JSON_MERGE_PATCH(doc, '{"c":3}'), JSON_CONTAINS_PATH(doc, 'one', '$.a'), JSON_UNQUOTE(JSON_EXTRACT(doc, '$.a')), JSON_QUOTE('a'), JSON_DEPTH(doc), JSON_VALUE(doc, '$.a') FROM orders
-- tool: JSON_TABLE | both
SELECT o.id, j.* FROM orders o, JSON_TABLE(o.doc, '$.tags[*]' COLUMNS (n FOR ORDINALITY, tag VARCHAR(20) PATH '$' DEFAULT '"none"' ON EMPTY NULL ON ERROR, has INT EXISTS PATH '$.x', NESTED PATH '$.y[*]' COLUMNS (y INT PATH '$'))) AS j
-- tool: JSON_VALUE with a type | mysql
SELECT JSON_VALUE(doc, '$.a' RETURNING SIGNED DEFAULT 0 ON EMPTY NULL ON ERROR) FROM orders
-- tool: MEMBER OF | mysql
SELECT id FROM orders WHERE 'x' MEMBER OF (doc->'$.tags') OR JSON_OVERLAPS(doc->'$.tags', '["y"]')
-- tool: full text | both
SELECT id, MATCH (note) AGAINST ('order') AS score FROM orders WHERE MATCH (note) AGAINST ('+order -first' IN BOOLEAN MODE) ORDER BY score DESC
-- tool: full text | both
SELECT id FROM orders WHERE MATCH (note) AGAINST ('order' IN NATURAL LANGUAGE MODE) OR MATCH (orders.note) AGAINST ('database' WITH QUERY EXPANSION)
-- tool: full text | both
SELECT id FROM orders WHERE MATCH (note) AGAINST ('order' IN NATURAL LANGUAGE MODE WITH QUERY EXPANSION)
-- tool: full text without parentheses | both
SELECT id FROM orders WHERE MATCH note AGAINST ('order')
-- tool: intervals | both
SELECT NOW() + INTERVAL 1 DAY, NOW() - INTERVAL '1:30' HOUR_MINUTE, INTERVAL 1 WEEK + CURDATE(), DATE_ADD('2024-01-31', INTERVAL 1 MONTH), DATE_SUB(NOW(), INTERVAL '1 2:3:4.5' DAY_MICROSECOND), ADDDATE('2024-01-01', 31), SUBDATE('2024-01-01', INTERVAL 1 YEAR), TIMESTAMPADD(QUARTER, 1, NOW()), TIMESTAMPDIFF(MINUTE, '2024-01-01', NOW()), EXTRACT(YEAR_MONTH FROM NOW())
-- tool: date and time | both
SELECT CURRENT_DATE, CURRENT_DATE(), CURRENT_TIME(3), CURRENT_TIMESTAMP, LOCALTIME, LOCALTIMESTAMP(6), UTC_DATE, UTC_TIME(), UTC_TIMESTAMP(), SYSDATE(6), UNIX_TIMESTAMP(), MAKETIME(1, 2, 3), STR_TO_DATE('01,5,2024', '%d,%m,%Y'), DATE_FORMAT(NOW(), '%W %M %Y'), GET_FORMAT(DATE, 'ISO'), LAST_DAY(NOW()), WEEK(NOW(), 3), TO_DAYS(NOW()), SEC_TO_TIME(100), PERIOD_DIFF(202401, 202312)
-- tool: CASE | both
SELECT CASE status WHEN 'new' THEN 1 WHEN 'paid' THEN 2 ELSE 0 END, CASE WHEN amount > 10 AND note IS NOT NULL THEN 'x' WHEN amount IS NULL THEN NULL END AS c, IF(amount > 1, 'a', 'b'), IFNULL(note, ''), NULLIF(status, ''), COALESCE(note, status, '-') FROM orders
-- tool: CAST and CONVERT | both
SELECT CAST(id AS CHAR), CAST(amount AS SIGNED), CAST('1' AS UNSIGNED INTEGER), CAST('2024-01-01' AS DATE), CAST(NOW() AS TIME(3)), CAST('1.5' AS DECIMAL(10,2)), CAST('x' AS CHAR(5) CHARACTER SET utf8mb4), CAST('a' AS BINARY(4)), CONVERT('1', SIGNED), CONVERT('é' USING latin1), CONVERT(note, CHAR) FROM orders
-- tool: more types in CAST | mysql
SELECT CAST(1 AS FLOAT), CAST(1 AS DOUBLE), CAST(1 AS REAL), CAST('{}' AS JSON), CAST(2024 AS YEAR), CAST('x' AS NCHAR(3)), CAST(TIMESTAMP'2024-01-01 00:00:00' AT TIME ZONE '+00:00' AS DATETIME)
-- tool: collations | both
SELECT name COLLATE utf8mb4_bin, _utf8mb4'é' COLLATE utf8mb4_general_ci, _latin1'abc', _binary 'x', N'national', n'x' FROM customers ORDER BY name COLLATE utf8mb4_general_ci DESC
-- tool: BINARY | both
SELECT BINARY name, name = BINARY 'Ann' FROM customers WHERE BINARY name = 'Ann' AND name LIKE BINARY 'A%'
-- tool: literals | both
SELECT 0x4D7953514C, X'4D79', x'4d', b'1010', B'01', 0b11, 1.5e10, .5, 1., -1, +2, 1e-3, TRUE, FALSE, NULL, 'a' 'b' "c", 'it''s', "say ""hi""", 'tab\tnew\nline\\ \' \" \% \_', '%_'
-- tool: typed literals | both
SELECT DATE '2024-01-02', TIME '10:20:30', TIMESTAMP '2024-01-02 10:20:30', DATE'2024-01-02', {d '2024-01-02'}, {t '10:20:30'}, {ts '2024-01-02 10:20:30'}, _utf8mb4 0xC3A9, _utf8mb4 X'C3A9'
-- tool: operators | both
SELECT 1 + 2 - 3 * 4 / 5 % 6, 7 DIV 2, 7 MOD 2, 1 << 2 | 3 & 4 ^ 5 >> 1, ~0, !0, NOT 1, 1 AND 0 OR 1 XOR 0, 1 && 0 || 1, 1 = 1, 1 <> 2, 1 != 2, 1 <=> NULL, 1 < 2, 1 >= 2, 2 BETWEEN 1 AND 3, 2 NOT BETWEEN 1 AND 3, 1 IN (1, 2), 1 NOT IN (3), 'a' LIKE 'b', 'a' NOT LIKE 'b' ESCAPE '!', 'a' REGEXP '^a$', 'a' RLIKE 'a', 'a' SOUNDS LIKE 'b', NULL IS NULL, 1 IS NOT NULL, 1 IS TRUE, 0 IS NOT FALSE, NULL IS UNKNOWN
-- tool: row constructors and quantifiers | both
SELECT id FROM orders WHERE (id, status) = (1, 'new') OR ROW(id, status) IN (ROW(2, 'paid')) OR amount > ALL (SELECT total FROM order_totals) OR amount = ANY (SELECT amount FROM orders) OR amount < SOME (SELECT 1) OR (id, customer_id) IN (SELECT id, customer_id FROM orders) OR NOT EXISTS (SELECT * FROM customers WHERE id = orders.customer_id)
-- tool: joins | both
SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id LEFT JOIN metrics m ON m.type = o.id RIGHT OUTER JOIN tree t ON t.id = c.id CROSS JOIN parts p
-- tool: joins | both
SELECT * FROM (customers NATURAL JOIN tree) INNER JOIN (orders o, parts p) ON o.id = p.id
-- tool: joins | both
SELECT * FROM orders LEFT JOIN parts USING (id) NATURAL LEFT JOIN tree
-- tool: joins | both
SELECT STRAIGHT_JOIN c.id FROM customers AS c STRAIGHT_JOIN orders AS o ON c.id = o.customer_id
-- tool: index hints | both
SELECT id FROM orders USE INDEX (by_status, PRIMARY) WHERE status = 'new'
-- tool: index hints | both
SELECT id FROM orders o FORCE INDEX FOR ORDER BY (by_customer) IGNORE KEY FOR JOIN (by_status) ORDER BY customer_id
-- tool: index hints | both
SELECT id FROM orders USE INDEX () WHERE id > 0
-- tool: partitions | both
SELECT * FROM parts PARTITION (p0, p1) AS x WHERE x.v > 0
-- tool: LATERAL | mysql
SELECT c.name, l.* FROM customers c, LATERAL (SELECT o.id, o.amount FROM orders o WHERE o.customer_id = c.id ORDER BY o.amount DESC LIMIT 1) AS l
-- tool: derived tables with column lists | mysql
SELECT a, b FROM (SELECT id, status FROM orders) AS d (a, b) WHERE a > 0
-- tool: set operations | both
(SELECT id FROM orders ORDER BY id LIMIT 1) UNION DISTINCT (SELECT id FROM customers) UNION ALL SELECT 7 ORDER BY 1 DESC LIMIT 3 OFFSET 1
-- tool: set operations | both
SELECT id FROM orders INTERSECT SELECT id FROM customers
-- tool: set operations | both
SELECT id FROM orders EXCEPT (SELECT id FROM customers UNION SELECT 9)
-- tool: set operations | both
((SELECT 1) UNION (SELECT 2)) EXCEPT SELECT 1
-- tool: set operations in subqueries | both
SELECT * FROM ((SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY a) AS u WHERE a IN ((SELECT 1) UNION (SELECT 3))
-- tool: VALUES | mysql
VALUES ROW(1, 'a'), ROW(2, 'b') ORDER BY column_0 DESC LIMIT 1
-- tool: VALUES | mariadb
VALUES (1, 'a'), (2, 'b')
-- tool: VALUES in FROM | mysql
SELECT * FROM (VALUES ROW(1, 2), ROW(3, 4)) AS v (a, b)
-- tool: VALUES in a CTE | mariadb
WITH v (a, b) AS (VALUES (1, 2), (3, 4)) SELECT * FROM v
-- tool: TABLE | mysql
TABLE orders ORDER BY id LIMIT 2
-- tool: LIMIT | both
SELECT id FROM orders LIMIT 1, 2
-- tool: LIMIT | mariadb
SELECT id FROM orders LIMIT ROWS EXAMINED 100
-- tool: FETCH FIRST | mariadb
SELECT id FROM orders ORDER BY id OFFSET 1 ROW FETCH NEXT 2 ROWS WITH TIES
-- tool: FETCH FIRST | mariadb
SELECT id FROM orders ORDER BY id FETCH FIRST 1 ROW ONLY
-- tool: locking reads | both
SELECT id FROM orders WHERE id = 1 FOR UPDATE
-- tool: locking reads | both
SELECT id FROM orders LOCK IN SHARE MODE
-- tool: locking reads | both
SELECT id FROM orders WHERE id = 2 FOR UPDATE NOWAIT
-- tool: locking reads | mysql
SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id FOR SHARE OF o SKIP LOCKED FOR UPDATE OF c NOWAIT
-- tool: locking reads | mariadb
SELECT id FROM orders FOR UPDATE WAIT 1
-- tool: system versioning | mariadb
SELECT * FROM orders FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00'
-- tool: system versioning | mariadb
SELECT * FROM orders FOR SYSTEM_TIME BETWEEN '2024-01-01' AND NOW()
-- tool: system versioning | mariadb
SELECT * FROM orders FOR SYSTEM_TIME ALL
-- tool: sequences as tables | mariadb
SELECT seq FROM seq_1_to_5
-- tool: user variables | both
SELECT @a, @`b c`, @'d', @"e", @f.g, @total := 5, (@n := @n + 1) AS n FROM (SELECT @n := 0) AS init
-- tool: into variables | both
SELECT id, status INTO @id, @status FROM orders WHERE id = 1
-- tool: into variables at the end | both
SELECT COUNT(*) FROM orders INTO @n
-- tool: system variables | both
SELECT @@version, @@global.max_connections, @@session.sql_mode, @@local.autocommit, @@`sql_mode`, @@SESSION . time_zone
-- tool: optimizer hints | both
SELECT /*+ MAX_EXECUTION_TIME(1000) NO_INDEX_MERGE(orders) SET_VAR(sort_buffer_size = 262144) QB_NAME(`q`) */ id FROM orders
-- tool: versioned comments | both
SELECT /*!40001 SQL_NO_CACHE */ id, 1 /*!50000 + 1 */ /*! + 1 */ FROM orders /*!80000 USE INDEX (PRIMARY) */ WHERE /*!99999 id < 1000 AND */ id > 0
-- tool: versioned comments | mariadb
SELECT /*M! 1 + */ 2 /*M!100100 , 3 */ /*M!999999 nothing */
-- tool: comments | both
SELECT /* one */ 1 -- two
, 2 # three
, 3 /* four
five */ + 4 --
-- tool: select options | both
SELECT ALL HIGH_PRIORITY SQL_SMALL_RESULT SQL_BUFFER_RESULT SQL_CALC_FOUND_ROWS id FROM orders WHERE 0
-- tool: select options | both
SELECT DISTINCTROW HIGH_PRIORITY SQL_BIG_RESULT SQL_NO_CACHE status FROM orders
-- tool: select options | mariadb
SELECT SQL_CACHE id FROM orders PROCEDURE ANALYSE()
-- tool: names outside ASCII | both
SELECT `länge`, länge, `名前`, 名前, größe.`länge` AS Größe, `a``b`, `order` FROM `größe` WHERE 名前 = 'é' OR länge > 0
-- tool: names outside ASCII | both
SELECT 'Привет' AS привет, "日本語" AS 日本語, 'emoji 🎉' AS `ключ`
-- tool: quoted names | both
SELECT `test`.`orders`.`id`, test.orders.id, `orders` . `status`, orders.`key` FROM test.orders
-- tool: keywords as names | both
SELECT date, time, type, status, value, count, host, metrics.count, metrics.date AS year, metric name FROM metrics WHERE date > '2023-12-31' AND type = 1 AND status IN (0, 1) AND count > 3 AND value < 10
-- tool: keywords as names behind a dot | both
SELECT o.key, o.`key`, o.status AS `select`, m.value end_value, m.time AS at FROM orders o JOIN metrics m ON m.type = o.id
-- tool: keywords as aliases | both
SELECT 1 AS a, 2 name, 3 AS 'quoted', 4 "double", 5 AS no, 7 AS timestamp, 8 AS begin, 9 AS user, 10 AS language, 11 AS data, 12 AS result, 13 AS current, 14 AS session, 15 AS global, 16 AS `into`
-- tool: strings | both
SELECT CONCAT('a', 'b'), CONCAT_WS(',', 1, 2), SUBSTRING('abc' FROM 2 FOR 1), SUBSTR('abc', 2), MID('abc', 1, 1), LEFT('abc', 1), RIGHT('abc', 1), TRIM(BOTH 'x' FROM 'xax'), TRIM(LEADING FROM ' a'), LTRIM(' a'), POSITION('b' IN 'abc'), LOCATE('b', 'abc', 1), INSERT('abc', 1, 1, 'x'), REPLACE('a', 'a', 'b'), REPEAT('a', 3), REVERSE('ab'), LPAD('a', 3, '-'), CHAR(77, 121 USING utf8mb4), ASCII('a'), ORD('a'), HEX('a'), UNHEX('41'), FORMAT(1234.5, 2), ELT(1, 'a'), FIELD('a', 'b'), FIND_IN_SET('a', 'a,b'), LOWER('A'), UPPER('a'), LENGTH('a'), CHAR_LENGTH('a'), QUOTE('a'), SOUNDEX('a'), SPACE(2), STRCMP('a', 'b'), SUBSTRING_INDEX('a.b', '.', 1), WEIGHT_STRING('a' AS CHAR(2)), TO_BASE64('a')
-- tool: numbers and more | both
SELECT ABS(-1), CEIL(1.2), CEILING(1.2), FLOOR(1.2), ROUND(1.25, 1), TRUNCATE(1.25, 1), MOD(5, 2), POW(2, 3), SQRT(4), RAND(1), SIGN(-1), LN(1), LOG(2, 8), EXP(1), PI(), GREATEST(1, 2), LEAST(1, 2), INTERVAL(5, 1, 10), CRC32('a'), CONV('ff', 16, 10), BIN(5), OCT(8), SHA2('a', 256), UUID(), INET_ATON('127.0.0.1'), VERSION(), DATABASE(), SCHEMA(), USER(), CURRENT_USER, CONNECTION_ID(), ROW_COUNT(), FOUND_ROWS(), LAST_INSERT_ID(), CHARSET('a'), COLLATION('a'), COERCIBILITY('a'), BIT_COUNT(7), SLEEP(0), BENCHMARK(1, 1), NAME_CONST('a', 1), DEFAULT(active) FROM customers LIMIT 1
-- tool: spatial | both
SELECT ST_AsText(ST_GeomFromText('POINT(1 2)')), ST_Distance(POINT(0, 0), POINT(1, 1)), ST_Contains(ST_GeomFromText('POLYGON((0 0,0 3,3 3,3 0,0 0))'), POINT(1, 1)), MBRContains(LINESTRING(POINT(0, 0), POINT(3, 3)), POINT(1, 1))
-- tool: locks of the session | both
SELECT GET_LOCK('tool', 0), IS_FREE_LOCK('tool'), IS_USED_LOCK('tool'), RELEASE_LOCK('tool'), RELEASE_ALL_LOCKS()
-- tool: functions of this server | mariadb
SELECT MD5('a'), SHA1('a'), NVL(1, 2), NVL2(1, 2, 3), TO_CHAR(NOW(), 'YYYY-MM-DD'), JSON_DETAILED('{"a":1}'), JSON_QUERY('{"a":[]}', '$.a'), SFORMAT('{}', 1), NATURAL_SORT_KEY('a10'), REGEXP_REPLACE('a', 'a', 'b'), LASTVAL(nothing) IS NULL FROM DUAL WHERE 0
-- tool: functions of this server | mysql
SELECT ANY_VALUE(id), BIN_TO_UUID(UUID_TO_BIN('6ccd780c-baba-1026-9564-5b8c656024db')), REGEXP_LIKE('a', 'A', 'i'), REGEXP_INSTR('ab', 'b'), JSON_PRETTY('{}'), JSON_STORAGE_SIZE('{}'), JSON_SCHEMA_VALID('{}', '{}'), STATEMENT_DIGEST('SELECT 1'), ST_GeoHash(1, 1, 5), IS_UUID('x'), RANDOM_BYTES(4), GROUPING(id) FROM orders GROUP BY id WITH ROLLUP
-- tool: white space | both
SELECT	id
	,	status
  FROM
	orders
 WHERE	id=1	AND(status='new')
-- tool: tight | both
SELECT(1)+(2),'a'AS`b`,id*2,-id,@@version,@x FROM(SELECT 1 AS id)AS`t`WHERE(id)IN(1)AND`id`=1 ORDER BY id
-- tool: parentheses | both
SELECT ((((1)))), (SELECT (SELECT (SELECT 1))) FROM ((orders)) WHERE (((id > 0))) AND NOT (id = 5)
-- tool: ORDER BY | both
SELECT id, status AS s FROM orders ORDER BY 2 DESC, s ASC, amount * -1, FIELD(status, 'new', 'paid'), ISNULL(note), RAND(), id
-- tool: HAVING without GROUP BY | both
SELECT id AS i, amount FROM orders HAVING i > 1 AND amount > 1
-- tool: DUAL | both
SELECT 1 FROM DUAL WHERE 1
-- tool: subqueries everywhere | both
SELECT (SELECT MAX(id) FROM orders) + 1, o.id IN (SELECT id FROM customers), EXISTS (SELECT 1), (SELECT name FROM customers c WHERE c.id = o.customer_id) FROM orders o WHERE o.amount > (SELECT AVG(amount) FROM orders) GROUP BY o.id, o.customer_id HAVING COUNT(*) >= (SELECT 1) ORDER BY (SELECT 1) LIMIT 2
-- tool: QUALIFY | mysql
SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM orders QUALIFY n = 1
-- tool: FULL JOIN as a union | both
SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id UNION SELECT c.id, o.id FROM customers c RIGHT JOIN orders o ON o.customer_id = c.id WHERE c.id IS NULL
-- tool: cohorts | both
WITH firsts AS (SELECT customer_id, MIN(DATE(created_at)) AS first_day FROM orders GROUP BY customer_id), sizes AS (SELECT first_day, COUNT(*) AS n FROM firsts GROUP BY first_day) SELECT s.first_day, s.n, DATEDIFF(o.created_at, s.first_day) AS day, COUNT(DISTINCT o.customer_id) / s.n AS kept FROM orders o JOIN firsts f USING (customer_id) JOIN sizes s USING (first_day) GROUP BY s.first_day, s.n, day ORDER BY 1, 3
-- tool: gaps and islands | both
SELECT MIN(id) AS `from`, MAX(id) AS `to` FROM (SELECT id, id - ROW_NUMBER() OVER (ORDER BY id) AS grp FROM orders) t GROUP BY grp
-- tool: pivot | both
SELECT customer_id, SUM(CASE WHEN status = 'new' THEN amount ELSE 0 END) AS `new`, SUM(IF(status = 'paid', amount, 0)) AS `paid`, SUM(status = 'new') AS n FROM orders GROUP BY customer_id
-- tool: several statements | both
SELECT 1; SELECT 2; SHOW TABLES;

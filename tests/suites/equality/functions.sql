# Functions and operators of all groups, without tables.
SELECT 1 + 1, 5 - 7, 3 * 4, 7 / 2, 7 DIV 2, 7 % 3, 7 MOD 3, -5;
SELECT 1 / 0, 5 % 0, 5 DIV 0;
SELECT 1.5 + 2, 1e3, 1.0 / 3, 10 / 4.00;
SELECT 9223372036854775807, 18446744073709551615, -9223372036854775808;
-- error 1690
SELECT 9223372036854775807 + 1;
-- error 1690
SELECT CAST(1 AS UNSIGNED) - 2;
SELECT 1 = 1, 1 <> 2, 1 != 1, 1 < 2, 2 <= 2, 3 > 4, 3 >= 3, 1 <=> NULL, NULL <=> NULL;
SELECT NULL = NULL, NULL IS NULL, 1 IS NOT NULL, 1 IS TRUE, 0 IS FALSE, NULL IS UNKNOWN;
SELECT 2 BETWEEN 1 AND 3, 4 NOT BETWEEN 1 AND 3, 1 IN (1, 2), 3 NOT IN (1, 2), NULL IN (1);
SELECT 1 AND 0, 1 OR 0, NOT 1, 1 XOR 1, !0, NULL AND 0, NULL OR 1;
SELECT 1 && 1, 0 || 0;
SELECT 5 & 3, 5 | 3, 5 ^ 3, ~0, 1 << 4, 256 >> 4;
SELECT 'a' = 'A', 'a' LIKE 'A', 'abc' LIKE 'a%', 'abc' LIKE 'a_c', 'a%' LIKE 'a|%' ESCAPE '|', 'x' NOT LIKE 'y';
SELECT 'abc' REGEXP '^a', 'abc' RLIKE 'd$', 'abc' NOT REGEXP 'b';
-- error@mariadb 1305
SELECT REGEXP_LIKE('abc', 'B', 'i');
SELECT REGEXP_REPLACE('a1b2', '[0-9]', '#'), REGEXP_INSTR('abc', 'c'), REGEXP_SUBSTR('abc123', '[0-9]+');
SELECT BINARY 'a' = 'A', CAST('a' AS BINARY) = 'A';
SELECT 'a' COLLATE utf8mb4_bin = 'A';
SELECT GREATEST(1, 5, 3), LEAST(1, 5, 3), GREATEST('a', 'b'), LEAST(1, NULL);
SELECT COALESCE(NULL, NULL, 3), IFNULL(NULL, 4), NULLIF(1, 1), NULLIF(1, 2), ISNULL(NULL), INTERVAL(23, 1, 15, 17, 30);
SELECT IF(1 > 0, 'yes', 'no'), CASE 1 WHEN 1 THEN 'one' ELSE 'more' END, CASE WHEN 1 > 2 THEN 'a' END;
SELECT ABS(-5), SIGN(-3), CEIL(1.2), CEILING(-1.2), FLOOR(1.8), FLOOR(-1.8), ROUND(1.55, 1), ROUND(155, -1), TRUNCATE(1.999, 2);
SELECT MOD(10, 3), POW(2, 10), POWER(2, -1), SQRT(16), SQRT(-1), EXP(0), LN(1), LOG(8), LOG(2, 8), LOG2(8), LOG10(1000);
SELECT PI(), DEGREES(PI()), RADIANS(180), SIN(0), COS(0), TAN(0), COT(1), ASIN(1), ACOS(1), ATAN(1), ATAN2(1, 1);
SELECT LOG(0);
SELECT CRC32('MySQL'), HEX(255), UNHEX('4D7953514C');
-- mask *metadata: MySQL calls these UNSIGNED from a prepared statement's second execution on; a read whose answer was overtaken has one
SELECT CONV('ff', 16, 10), CONV(10, 10, 2), OCT(8), BIN(5);
SELECT RAND(5), RAND(5);
-- mask *values: random
SELECT RAND(), RAND() < 2;
SELECT FORMAT(1234567.891, 2), FORMAT(1234.5, 0), FORMAT(1234.5, 2, 'de_DE');
SELECT ASCII('a'), ORD('ä'), CHAR(77, 121), CHAR(0x65 USING utf8mb4), HEX('abc'), BIT_LENGTH('abc'), CHAR_LENGTH('äöü'), CHARACTER_LENGTH('x'), LENGTH('äöü'), OCTET_LENGTH('x');
-- error 1582
SELECT CONCAT();
SELECT CONCAT('a', 'b', 1), CONCAT(NULL, 'x'), CONCAT_WS(',', 'a', NULL, 'b');
-- error 1582
SELECT LENGTH();
SELECT ELT(2, 'a', 'b', 'c'), FIELD('b', 'a', 'b'), FIND_IN_SET('b', 'a,b,c'), MAKE_SET(5, 'a', 'b', 'c'), EXPORT_SET(5, 'Y', 'N', ',', 4);
SELECT INSERT('Quadratic', 3, 4, 'What'), INSTR('foobar', 'bar'), LOCATE('bar', 'foobarbar', 5), POSITION('b' IN 'abc');
SELECT LOWER('ABC'), LCASE('ABC'), UPPER('abc'), UCASE('äb'), LEFT('abc', 2), RIGHT('abc', 2), MID('abcdef', 2, 3), SUBSTRING('abcdef', -3, 2), SUBSTR('abcdef' FROM 2 FOR 3), SUBSTRING_INDEX('www.mysql.com', '.', 2);
SELECT LPAD('hi', 4, '?'), RPAD('hi', 4, '?'), LTRIM('  a'), RTRIM('a  '), TRIM('  a  '), TRIM(LEADING 'x' FROM 'xxa'), TRIM(BOTH 'x' FROM 'xax'), TRIM(TRAILING 'x' FROM 'axx');
SELECT REPEAT('ab', 3), REPLACE('abc', 'b', 'X'), REVERSE('abc'), SPACE(3), STRCMP('a', 'b'), QUOTE('Don\'t!'), QUOTE(NULL);
SELECT SOUNDEX('Hello'), 'Hello' SOUNDS LIKE 'Halo', TO_BASE64('abc'), FROM_BASE64('YWJj');
-- error@mysql 1305
SELECT MD5('a');
-- error@mysql 1305
SELECT SHA1('a'), SHA('a');
SELECT SHA2('a', 256), SHA2('a', 512);
SELECT HEX(AES_ENCRYPT('text', 'key')), AES_DECRYPT(AES_ENCRYPT('text', 'key'), 'key');
SELECT COMPRESS('') = '', UNCOMPRESS(COMPRESS('abc')), UNCOMPRESSED_LENGTH(COMPRESS('abc'));
SELECT WEIGHT_STRING('a') IS NOT NULL, HEX(WEIGHT_STRING('ab' AS CHAR(4)));
SELECT 'a' 'b' "c", _utf8mb4'x', N'national', X'4D', 0x4D, b'01000001', 0b1;
SELECT _latin1 X'E4', _latin1'abc' COLLATE latin1_german2_ci, CONVERT('abc' USING latin1), CONVERT('12', SIGNED);
SELECT 'tab\there', 'quote''s', "dq""s", 'back\\slash', 'nul\0x', 'line\nbreak', '\%\_';
SELECT CAST('12abc' AS SIGNED), CAST('x' AS UNSIGNED), CAST(-1 AS UNSIGNED), CAST('1.55' AS DECIMAL(5,1)), CAST(1 AS CHAR(3)), CAST('abc' AS CHAR(2));
SELECT CAST('2024-02-30' AS DATE), CAST('2024-02-29' AS DATE), CAST('10:11:12' AS TIME), CAST('2024-01-01 10:00' AS DATETIME), CAST(1.6 AS SIGNED), CAST('1e2' AS DOUBLE), CAST(20240101 AS DATE);
SELECT CAST('a' AS CHAR CHARACTER SET latin1), CAST('ä' AS CHAR CHARACTER SET ascii);
SELECT '5' + 5, 'abc' + 1, '3 apples' * 2, 1 + '1.5', 'a' = 0;
SELECT DATE '2024-01-31' + INTERVAL 1 MONTH, '2024-01-01' - INTERVAL 1 DAY, INTERVAL 1 YEAR + '2024-02-29';
SELECT DATE_ADD('2024-01-01', INTERVAL 10 DAY), DATE_SUB('2024-01-01', INTERVAL '1:30' MINUTE_SECOND), ADDDATE('2024-01-01', 31), SUBDATE('2024-01-01', 1);
SELECT DATE_ADD('2024-01-01', INTERVAL 1 QUARTER), DATE_ADD('2024-01-01 00:00:00', INTERVAL 1 MICROSECOND), DATE_ADD('2024-12-31', INTERVAL '1-2' YEAR_MONTH), DATE_ADD('2024-01-01', INTERVAL '1 2:3:4' DAY_SECOND);
SELECT ADDTIME('10:00:00', '01:02:03.5'), SUBTIME('10:00:00', '00:00:01'), TIMEDIFF('12:00:00', '10:30:00'), DATEDIFF('2024-03-01', '2024-02-01');
SELECT TIMESTAMPDIFF(MONTH, '2024-01-01', '2025-03-01'), TIMESTAMPADD(WEEK, 1, '2024-01-01'), TIMESTAMP('2024-01-01'), TIMESTAMP('2024-01-01', '10:00:00');
SELECT YEAR('2024-05-06'), MONTH('2024-05-06'), DAY('2024-05-06'), DAYOFMONTH('2024-05-06'), DAYOFWEEK('2024-05-06'), DAYOFYEAR('2024-05-06'), WEEKDAY('2024-05-06'), WEEK('2024-05-06'), WEEK('2024-05-06', 3), WEEKOFYEAR('2024-05-06'), YEARWEEK('2024-05-06'), QUARTER('2024-05-06');
SELECT HOUR('10:11:12'), MINUTE('10:11:12'), SECOND('10:11:12'), MICROSECOND('10:11:12.123456'), TIME('2024-01-01 10:11:12'), DATE('2024-01-01 10:11:12'), LAST_DAY('2024-02-01');
SELECT DAYNAME('2024-05-06'), MONTHNAME('2024-05-06'), DATE_FORMAT('2024-05-06 07:08:09', '%Y %y %M %m %b %D %d %e %W %a %H %h %i %s %p %j %T %r %f %%'), TIME_FORMAT('100:00:00', '%H %k %h %I %l'), GET_FORMAT(DATE, 'EUR');
SELECT STR_TO_DATE('06.05.2024', '%d.%m.%Y'), STR_TO_DATE('nonsense', '%d'), STR_TO_DATE('10:11', '%H:%i');
SELECT EXTRACT(YEAR FROM '2024-05-06'), EXTRACT(DAY_MINUTE FROM '2024-05-06 07:08:09'), EXTRACT(YEAR_MONTH FROM '2024-05-06');
SELECT MAKEDATE(2024, 60), MAKETIME(10, 11, 12), MAKETIME(10, 61, 12), SEC_TO_TIME(3661), TIME_TO_SEC('01:01:01'), TO_DAYS('2024-01-01'), FROM_DAYS(739251), TO_SECONDS('2024-01-01');
SELECT PERIOD_ADD(202401, 2), PERIOD_DIFF(202403, 202401);
SET time_zone = '+00:00';
SELECT FROM_UNIXTIME(1700000000), FROM_UNIXTIME(1700000000.5), FROM_UNIXTIME(1700000000, '%Y'), UNIX_TIMESTAMP('2024-01-01 00:00:00'), CONVERT_TZ('2024-01-01 12:00:00', '+00:00', '+05:30'), CONVERT_TZ('2024-01-01', 'No/Where', 'UTC');
SET time_zone = '-08:00';
SELECT FROM_UNIXTIME(1700000000), UNIX_TIMESTAMP('2024-01-01 00:00:00'), @@time_zone;
SET time_zone = DEFAULT;
-- error 1298
SET time_zone = 'No/Where';
-- mask *values: time
SELECT NOW(), CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP, LOCALTIME, LOCALTIMESTAMP(), SYSDATE(), CURDATE(), CURRENT_DATE, CURTIME(), CURRENT_TIME(3);
-- mask *values: time
SELECT UTC_DATE(), UTC_TIME(), UTC_TIMESTAMP(6), UNIX_TIMESTAMP(), NOW(6);
SELECT NOW() = NOW(), LENGTH(NOW(3)), SYSDATE() >= NOW();
SET timestamp = 1700000000;
SELECT NOW(), CURDATE(), UNIX_TIMESTAMP(), NOW(6);
SET timestamp = DEFAULT;
-- mask *values: random
SELECT UUID(), LENGTH(UUID());
-- mask *values: random
SELECT UUID_SHORT();
SELECT LENGTH(UUID()), UUID() = UUID();
-- only mysql
SELECT IS_UUID('6ccd780c-baba-1026-9564-5b8c656024db'), HEX(UUID_TO_BIN('6ccd780c-baba-1026-9564-5b8c656024db')), BIN_TO_UUID(UUID_TO_BIN('6ccd780c-baba-1026-9564-5b8c656024db', 1), 1);
-- mask *values: random
SELECT RANDOM_BYTES(4);
SELECT SLEEP(0), BENCHMARK(10, 1 + 1);
-- mask *values: thread id
SELECT CONNECTION_ID();
SELECT CONNECTION_ID() = CONNECTION_ID();
SELECT USER(), SESSION_USER(), SYSTEM_USER(), CURRENT_USER(), CURRENT_USER;
SELECT DATABASE(), SCHEMA(), VERSION(), @@version;
-- only mysql
SELECT CURRENT_ROLE(), ROLES_GRAPHML() IS NOT NULL;
-- only mariadb
SELECT CURRENT_ROLE();
SELECT CHARSET('a'), COLLATION('a'), COERCIBILITY('a'), COERCIBILITY(NULL), COERCIBILITY(USER()), CHARSET(X'00'), CHARSET(1);
SELECT BIT_COUNT(255), INET_ATON('10.0.0.1'), INET_NTOA(167772161), HEX(INET6_ATON('::1')), INET6_NTOA(INET6_ATON('fe80::1')), IS_IPV4('1.2.3.4'), IS_IPV6('::1'), IS_IPV4_COMPAT(INET6_ATON('::1.2.3.4')), IS_IPV4_MAPPED(INET6_ATON('::ffff:1.2.3.4'));
SELECT NAME_CONST('n', 14);
SELECT GET_LOCK('eq_functions', 1);
SELECT IS_FREE_LOCK('eq_functions'), IS_USED_LOCK('eq_functions') = CONNECTION_ID();
SELECT GET_LOCK('eq_functions_2', 0);
SELECT RELEASE_LOCK('eq_functions'), RELEASE_LOCK('eq_functions'), RELEASE_LOCK('never');
SELECT RELEASE_ALL_LOCKS();
SELECT IS_FREE_LOCK('eq_functions_2');
-- error 1305
SELECT nothing();
-- error 1582
SELECT CONCAT_WS();
-- error 1210 1582 1064 3037
SELECT ROUND();
SELECT EXTRACTVALUE('<a><b>x</b></a>', '/a/b'), UPDATEXML('<a><b>x</b></a>', '/a/b', '<c/>');
SELECT EXTRACTVALUE('<a', '/a');
-- error 1105
SELECT EXTRACTVALUE('<a/>', '//[');
SELECT LOAD_FILE('/nothing');
-- error@mariadb 1305
SELECT FORMAT_BYTES(1024), FORMAT_PICO_TIME(1000);
-- only mariadb
SELECT CHR(65), NVL(NULL, 1), NVL2(1, 2, 3), DECODE_ORACLE(1, 1, 'a', 'b'), TO_CHAR('2024-01-02', 'YYYY-MM-DD'), ADD_MONTHS('2024-01-31', 1), LENGTHB('ä'), SUBSTR_ORACLE('abc', 0, 2);
-- only mariadb
-- error 1305
SELECT SFORMAT('{} {}', 1, 'a'), NATURAL_SORT_KEY('a10'), MONTHS_BETWEEN('2024-02-01', '2024-01-01');
-- only mariadb
SELECT SFORMAT('{} {}', 1, 'a'), NATURAL_SORT_KEY('a10');
-- mask *values: random
-- only mariadb
SELECT SYS_GUID();
-- only mariadb
SELECT COLUMN_GET(COLUMN_CREATE('a', 1, 'b', 'x'), 'b' AS CHAR), COLUMN_JSON(COLUMN_CREATE('a', 1)), COLUMN_LIST(COLUMN_CREATE('a', 1)), COLUMN_EXISTS(COLUMN_CREATE('a', 1), 'z');
-- only mariadb
-- error 1305
SELECT CRC32C('abc'), CRC32('abc', 'def'), KDF('a', 'b', 1000) IS NOT NULL;
-- only mariadb
SELECT CRC32C('abc');
-- only mariadb
SELECT DES_ENCRYPT('a') IS NOT NULL, ENCODE('a', 'b') IS NOT NULL, PASSWORD('a'), OLD_PASSWORD('a');
-- only mysql
SELECT STATEMENT_DIGEST('SELECT 1'), STATEMENT_DIGEST_TEXT('SELECT 1 FROM t');
-- only mysql
SELECT VALIDATE_PASSWORD_STRENGTH('x');
-- only mysql
SELECT PS_THREAD_ID(CONNECTION_ID()) IS NULL, PS_CURRENT_THREAD_ID() IS NULL;
-- only mysql
SELECT GTID_SUBSET('', ''), GTID_SUBTRACT('3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5', '3E11FA47-71CA-11E1-9E33-C80AA9429562:3');
-- only mysql
SELECT ICU_VERSION() IS NOT NULL;
-- only mysql
SELECT MAX(x) FROM (VALUES ROW(1), ROW(2)) AS t(x);
SELECT MASTER_POS_WAIT('', 0, 0);
SELECT 1 AS `1`, 'x' AS 'y', 2 "z";
SELECT NULL, TRUE, FALSE, NULL + 1, UNKNOWN_COLUMN_IS_NOT = 1 FROM (SELECT 1 AS unknown_column_is_not) x;
SELECT 1 WHERE 1 = 0;
SELECT NULL UNION SELECT NULL;
SELECT 1.10, 1.100, 0.1 + 0.2, 1e-10, 123456789012345678901234567890.123456789;
SELECT CAST(1 AS FLOAT), CAST(0.1 AS DOUBLE), 1e308 * 1;
-- error 1690
SELECT EXP(1000);
SELECT JSON_ARRAY(1, 'a', NULL, TRUE), JSON_OBJECT('a', 1, 'b', JSON_ARRAY(1)), JSON_QUOTE('a"b'), JSON_UNQUOTE('"a"');
SELECT JSON_EXTRACT('{"a": {"b": [1, 2]}}', '$.a.b[1]'), JSON_EXTRACT('[1, 2]', '$[0]', '$[1]'), JSON_VALUE('{"a": 5}', '$.a');
SELECT JSON_CONTAINS('[1, 2]', '1'), JSON_CONTAINS_PATH('{"a": 1}', 'one', '$.a', '$.b'), JSON_SEARCH('["abc"]', 'one', 'a%'), JSON_KEYS('{"a": 1, "b": 2}');
SELECT JSON_ARRAY_APPEND('[1]', '$', 2), JSON_ARRAY_INSERT('[1]', '$[0]', 0), JSON_INSERT('{}', '$.a', 1), JSON_REPLACE('{"a": 1}', '$.a', 2), JSON_SET('{}', '$.a', 3), JSON_REMOVE('{"a": 1}', '$.a');
SELECT JSON_MERGE_PATCH('{"a": 1}', '{"b": 2}'), JSON_MERGE_PRESERVE('[1]', '[2]'), JSON_DEPTH('[[1]]'), JSON_LENGTH('[1, 2]'), JSON_TYPE('1.5'), JSON_VALID('{'), JSON_PRETTY('{"a": 1}');
SELECT JSON_MERGE('[1]', '[2]');
SELECT JSON_OVERLAPS('[1]', '[1, 2]');
-- error@mysql 3141
SELECT JSON_EXTRACT('{bad', '$.a');
-- error@mysql 3143
SELECT JSON_EXTRACT('{}', 'bad');
-- only mysql
-- error 1064
SELECT '{"a": 1}' -> '$.a';
-- only mysql
SELECT 1 MEMBER OF ('[1, 2]'), JSON_SCHEMA_VALID('{"type": "object"}', '{}'), JSON_STORAGE_SIZE('{"a": 1}'), JSON_STORAGE_FREE('{}');
-- only mysql
SELECT CAST('{"a": [1, 2]}' AS JSON), CAST(1 AS JSON);
-- only mariadb
SELECT JSON_COMPACT('{ "a" : 1 }'), JSON_DETAILED('{"a": 1}'), JSON_LOOSE('{"a":1}'), JSON_EXISTS('{"a": 1}', '$.a'), JSON_QUERY('{"a": [1]}', '$.a'), JSON_NORMALIZE('{"b": 1, "a": 2}'), JSON_EQUALS('{}', '{ }');
SELECT * FROM JSON_TABLE('[{"a": 1}, {"a": 2, "b": "x"}]', '$[*]' COLUMNS (n FOR ORDINALITY, a INT PATH '$.a', b VARCHAR(5) PATH '$.b' DEFAULT '"none"' ON EMPTY, e INT EXISTS PATH '$.b')) AS jt;
SELECT JSON_ARRAYAGG(x), JSON_OBJECTAGG(x, x) FROM (SELECT 1 AS x UNION ALL SELECT 2) t;
CREATE TABLE js (id INT PRIMARY KEY, doc JSON);
INSERT INTO js VALUES (1, '{"name": "ann", "tags": ["a", "b"], "age": 30}'), (2, '{"name": "bob", "tags": []}'), (3, NULL);
-- error 3140 4025
INSERT INTO js VALUES (4, '{bad');
SELECT id, JSON_EXTRACT(doc, '$.name') FROM js ORDER BY id;
SELECT id, JSON_UNQUOTE(JSON_EXTRACT(doc, '$.tags[0]')) AS t FROM js WHERE JSON_LENGTH(doc, '$.tags') > 0;
-- only mysql
SELECT doc->'$.name', doc->>'$.name' FROM js ORDER BY id;
UPDATE js SET doc = JSON_SET(doc, '$.age', 31) WHERE id = 1;
SELECT doc FROM js ORDER BY id;
SELECT id FROM js WHERE JSON_CONTAINS(doc, '"a"', '$.tags');
ALTER TABLE js ADD COLUMN name VARCHAR(20) AS (JSON_UNQUOTE(JSON_EXTRACT(doc, '$.name'))) VIRTUAL, ADD INDEX (name);
SELECT id FROM js WHERE name = 'bob';
-- params '{"x": 1}'
SELECT JSON_EXTRACT(?, '$.x');
DROP TABLE js;
SELECT ST_AsText(ST_GeomFromText('POINT(1 2)')), ST_X(ST_GeomFromText('POINT(1 2)')), ST_Y(POINT(3, 4));
SELECT ST_AsText(LINESTRING(POINT(0, 0), POINT(1, 1))), ST_Length(ST_GeomFromText('LINESTRING(0 0, 3 4)')), ST_NumPoints(ST_GeomFromText('LINESTRING(0 0, 3 4)'));
SELECT ST_Area(ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 4, 0 0))')), ST_AsText(ST_Centroid(ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 4, 0 0))'))), ST_AsText(ST_Envelope(ST_GeomFromText('LINESTRING(0 0, 3 4)')));
SELECT ST_Contains(ST_GeomFromText('POLYGON((0 0, 4 0, 4 4, 0 4, 0 0))'), POINT(1, 1)), ST_Distance(POINT(0, 0), POINT(3, 4)), ST_Equals(POINT(1, 1), POINT(1, 1)), ST_Intersects(POINT(1, 1), POINT(2, 2)), ST_Within(POINT(1, 1), POINT(1, 1));
SELECT HEX(ST_AsWKB(POINT(1, 2))), ST_AsText(ST_GeomFromWKB(ST_AsWKB(POINT(5, 6)))), ST_GeometryType(POINT(1, 2)), ST_Dimension(POINT(1, 2)), ST_IsEmpty(POINT(1, 2)), ST_SRID(POINT(1, 2));
SELECT ST_AsText(ST_Union(POINT(1, 1), POINT(2, 2))), ST_AsText(ST_Buffer(POINT(0, 0), 0)), ST_AsGeoJSON(POINT(1, 2)), ST_AsText(ST_GeomFromGeoJSON('{"type": "Point", "coordinates": [1, 2]}'));
-- error@mysql 3037
SELECT ST_GeomFromText('NONSENSE');
CREATE TABLE geo (id INT PRIMARY KEY, g POINT NOT NULL, SPATIAL INDEX (g));
INSERT INTO geo VALUES (1, POINT(1, 1)), (2, ST_GeomFromText('POINT(5 5)'));
SELECT id, ST_AsText(g) FROM geo ORDER BY id;
SELECT id, g FROM geo ORDER BY id;
SELECT id FROM geo WHERE MBRContains(ST_GeomFromText('POLYGON((0 0, 2 0, 2 2, 0 2, 0 0))'), g);
-- error 1416
INSERT INTO geo VALUES (3, 'x');
DROP TABLE geo;

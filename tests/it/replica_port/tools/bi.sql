-- tool: Metabase, time zone | mysql
SELECT @@GLOBAL.time_zone AS global_tz, @@system_time_zone AS system_tz, time_format(   timediff(      now(), convert_tz(now(), @@GLOBAL.time_zone, '+00:00')   ),   '%H:%i' ) AS offset;
-- tool: Metabase, session time zone | both
SET @@session.time_zone = '+00:00';
-- tool: Metabase, session isolation | both
SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED
-- tool: Metabase, privileges | both
SELECT TRUE AS `_` FROM `test`.`orders` WHERE 1 <> 1 LIMIT 0
-- tool: Metabase, field fingerprints | both
SELECT SUBSTRING(`test`.`orders`.`note`, 1, 1234) AS `substring1`, `test`.`orders`.`id` AS `id` FROM `orders` LIMIT 10000
-- tool: Metabase, question with a remark | both
-- Metabase:: userID: 1 queryType: MBQL queryHash: 7f3e2a
SELECT `source`.`status` AS `status`, count(*) AS `count` FROM (SELECT `orders`.`id` AS `id`, `orders`.`status` AS `status` FROM `orders` WHERE `orders`.`amount` > 0) AS `source` GROUP BY `source`.`status` ORDER BY `count` DESC, `source`.`status` ASC LIMIT 500
-- tool: Metabase, native question with a comment | both
/* Metabase:: userID: 1 queryType: native queryHash: 00ff */ select * from orders
-- tool: Metabase, by minute | both
SELECT str_to_date(date_format(`orders`.`created_at`, '%Y-%m-%d %H:%i'), '%Y-%m-%d %H:%i') AS `created_at`, count(*) AS `count` FROM `orders` GROUP BY str_to_date(date_format(`orders`.`created_at`, '%Y-%m-%d %H:%i'), '%Y-%m-%d %H:%i') ORDER BY str_to_date(date_format(`orders`.`created_at`, '%Y-%m-%d %H:%i'), '%Y-%m-%d %H:%i') ASC
-- tool: Metabase, by week | both
SELECT str_to_date(concat(yearweek(`orders`.`created_at`), ' Sunday'), '%X%V %W') AS `created_at`, sum(`orders`.`amount`) AS `sum` FROM `orders` GROUP BY str_to_date(concat(yearweek(`orders`.`created_at`), ' Sunday'), '%X%V %W') ORDER BY 1 ASC
-- tool: Metabase, by quarter | both
SELECT str_to_date(concat(year(`orders`.`created_at`), '-', ((quarter(`orders`.`created_at`) * 3) - 2), '-01'), '%Y-%m-%d') AS `created_at`, count(*) AS `count` FROM `orders` GROUP BY str_to_date(concat(year(`orders`.`created_at`), '-', ((quarter(`orders`.`created_at`) * 3) - 2), '-01'), '%Y-%m-%d')
-- tool: Metabase, by year | both
SELECT makedate(year(`orders`.`created_at`), 1) AS `created_at`, avg(`orders`.`amount`) AS `avg`, stddev_pop(`orders`.`amount`) AS `stddev` FROM `orders` GROUP BY makedate(year(`orders`.`created_at`), 1)
-- tool: Metabase, day of week | both
SELECT dayofweek(`orders`.`created_at`) AS `created_at`, (week(`orders`.`created_at`, 6) + 1) AS `w`, dayofyear(`orders`.`created_at`) AS `d` FROM `orders` WHERE date(`orders`.`created_at`) BETWEEN date(date_add(now(6), INTERVAL -30 day)) AND date(now(6))
-- tool: Metabase, relative filter | both
SELECT count(distinct `orders`.`customer_id`) AS `count` FROM `orders` WHERE (`orders`.`created_at` >= str_to_date(concat(date_format(date_add(now(6), INTERVAL -12 month), '%Y-%m'), '-01'), '%Y-%m-%d') AND `orders`.`created_at` < str_to_date(concat(date_format(now(6), '%Y-%m'), '-01'), '%Y-%m-%d'))
-- tool: Metabase, unix time | both
SELECT from_unixtime(`metrics`.`time_sec`) AS `t`, char_length(`metrics`.`host`) AS `l` FROM `metrics` LIMIT 1048575
-- tool: Metabase, milliseconds | both
SELECT from_unixtime((1704067200123 / 1000)), date_add(now(6), INTERVAL 1.5 second)
-- tool: Metabase, regular expression | both
SELECT regexp_substr(`customers`.`email`, '[a-z]+') AS `x` FROM `customers`
-- tool: Metabase, case-insensitive contains | both
SELECT `customers`.`name` AS `name` FROM `customers` WHERE (lower(`customers`.`name`) LIKE '%nn%') OR (`customers`.`name` IS NULL) LIMIT 2000
-- tool: Metabase, nested JSON | both
SELECT convert(json_extract(`orders`.`doc`, ?), SIGNED) AS `orders.doc -> a` FROM `orders`
-- tool: Metabase, JSON sync | both
SELECT `id`, `doc` FROM `test`.`orders` LIMIT 500
-- tool: Metabase, expression | both
SELECT CASE WHEN `orders`.`amount` >= 10 THEN 'big' ELSE 'small' END AS `size`, (`orders`.`amount` * 1.0) / nullif(`orders`.`id`, 0.0) AS `per`, coalesce(`orders`.`note`, '') AS `n` FROM `orders`
-- tool: Metabase, joins | both
SELECT `orders`.`id` AS `id`, `Customers`.`name` AS `Customers__name` FROM `orders` LEFT JOIN `customers` AS `Customers` ON `orders`.`customer_id` = `Customers`.`id` LIMIT 2000
-- tool: Metabase, binning | both
SELECT ((floor(((`orders`.`amount` - 0.0) / 5.0)) * 5.0) + 0.0) AS `amount`, count(*) AS `count` FROM `orders` GROUP BY 1
-- tool: Metabase, cumulative | both
SELECT date(created_at) AS d, sum(count(*)) OVER (ORDER BY date(created_at) ASC ROWS UNBOUNDED PRECEDING) AS c FROM orders GROUP BY date(created_at)
-- tool: Metabase, fields | both
select `c`.`column_name` AS `name`, `c`.`ordinal_position` - 1 AS `database-position`, NULL AS `table-schema`, `c`.`table_name` AS `table-name`, UPPER(`c`.`data_type`) AS `database-type`, (`c`.`extra` = 'auto_increment') AS `database-is-auto-increment`, ((`c`.`column_default` IS NULL OR LOWER(`c`.`column_default`) = 'null') AND `c`.`is_nullable` = 'NO' AND NOT (`c`.`extra` = 'auto_increment')) AS `database-required`, (`c`.`column_key` = 'PRI') AS `pk?`, nullif(`c`.`column_comment`, '') AS `field-comment` FROM `information_schema`.`columns` AS `c` WHERE (`c`.`table_schema` NOT IN ('information_schema', 'performance_schema', 'sys', 'mysql')) AND (`c`.`table_schema` = 'test') ORDER BY `table-name` ASC, `database-position` ASC
-- tool: Metabase, foreign keys | both
SELECT NULL AS `fk-table-schema`, a.`table_name` AS `fk-table-name`, a.`column_name` AS `fk-column-name`, NULL AS `pk-table-schema`, a.`referenced_table_name` AS `pk-table-name`, a.`referenced_column_name` AS `pk-column-name` FROM `information_schema`.`key_column_usage` AS a INNER JOIN `information_schema`.`table_constraints` AS b USING (`constraint_schema`, `constraint_name`, `table_name`) WHERE b.`constraint_type` = 'FOREIGN KEY' AND a.`referenced_table_schema` IS NOT NULL AND a.`table_schema` = 'test' ORDER BY a.`table_name`
-- tool: Metabase, privileges of an account | both
SHOW GRANTS FOR CURRENT_USER()
-- tool: Grafana, health check | both
SELECT 1;
-- tool: Grafana, time series | both
SELECT UNIX_TIMESTAMP(time) DIV 300 * 300 AS "time", metric, avg(value) as value FROM metrics WHERE time BETWEEN FROM_UNIXTIME(1704067200) AND FROM_UNIXTIME(1704153600) GROUP BY 1, metric ORDER BY 1
-- tool: Grafana, $__timeFilter and $__time | both
SELECT
  UNIX_TIMESTAMP(time) as time_sec,
  value as value,
  host as metric
FROM metrics
WHERE time BETWEEN FROM_UNIXTIME(1704067200) AND FROM_UNIXTIME(1704153600)
ORDER BY time ASC
-- tool: Grafana, a time before 1970 | both
SELECT value FROM metrics WHERE time BETWEEN DATE_ADD(FROM_UNIXTIME(0), INTERVAL -86400 SECOND) AND FROM_UNIXTIME(1704153600)
-- tool: Grafana, $__unixEpochFilter | both
SELECT time_sec DIV 60 * 60 AS "time", max(value) AS "max" FROM metrics WHERE time_sec >= 1704067200 AND time_sec <= 1704153600 GROUP BY 1 ORDER BY time_sec DIV 60 * 60
-- tool: Grafana, $__unixEpochNanoFilter | both
SELECT value FROM metrics WHERE time_sec >= 1704067200000000000 AND time_sec <= 1704153600000000000
-- tool: Grafana, annotations | both
SELECT
  time_sec as time,
  time_sec as timeend,
  metric as text,
  CONCAT(host, ',', metric) as tags
FROM metrics
WHERE time_sec >= 1704067200 AND time_sec <= 1704153600
LIMIT 100
-- tool: Grafana, variables | both
SELECT DISTINCT(host) FROM metrics ORDER BY host
-- tool: Grafana, variables | both
SELECT host AS __text, type AS __value FROM metrics WHERE host LIKE '%' LIMIT 50
-- tool: Grafana, query builder | both
SELECT AVG(value) AS `avg value`, host FROM test.metrics WHERE (status = 1 AND time BETWEEN FROM_UNIXTIME(1704067200) AND FROM_UNIXTIME(1704153600)) GROUP BY host ORDER BY host DESC LIMIT 50
-- tool: Grafana, query builder's datasets | both
SELECT DISTINCT TABLE_SCHEMA from information_schema.TABLES where TABLE_TYPE != 'SYSTEM VIEW' ORDER BY TABLE_SCHEMA
-- tool: Grafana, query builder's tables | both
SELECT table_name FROM information_schema.tables WHERE table_schema = 'test' ORDER BY table_name
-- tool: Grafana, query builder's columns | both
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'test' AND table_name = 'metrics' ORDER BY column_name
-- tool: Grafana, MySQL overview dashboard | both
SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Questions')
-- tool: Superset, SQLAlchemy's first connect | both
SELECT @@transaction_isolation
-- tool: Superset, by second | both
SELECT DATE_ADD(DATE(created_at), INTERVAL (HOUR(created_at)*60*60 + MINUTE(created_at)*60 + SECOND(created_at)) SECOND) AS __timestamp, COUNT(*) AS `COUNT(*)` FROM orders GROUP BY DATE_ADD(DATE(created_at), INTERVAL (HOUR(created_at)*60*60 + MINUTE(created_at)*60 + SECOND(created_at)) SECOND) ORDER BY `COUNT(*)` DESC LIMIT 10000
-- tool: Superset, by minute | both
SELECT DATE_ADD(DATE(created_at), INTERVAL (HOUR(created_at)*60 + MINUTE(created_at)) MINUTE) AS __timestamp, SUM(amount) AS `SUM(amount)` FROM orders GROUP BY 1
-- tool: Superset, by hour | both
SELECT DATE_ADD(DATE(created_at), INTERVAL HOUR(created_at) HOUR) AS __timestamp FROM orders GROUP BY DATE_ADD(DATE(created_at), INTERVAL HOUR(created_at) HOUR)
-- tool: Superset, by week | both
SELECT DATE(DATE_SUB(created_at, INTERVAL DAYOFWEEK(created_at) - 1 DAY)) AS __timestamp, COUNT(DISTINCT customer_id) AS n FROM orders GROUP BY DATE(DATE_SUB(created_at, INTERVAL DAYOFWEEK(created_at) - 1 DAY)) LIMIT 50000
-- tool: Superset, by week from Monday | both
SELECT DATE(DATE_SUB(created_at, INTERVAL DAYOFWEEK(DATE_SUB(created_at, INTERVAL 1 DAY)) - 1 DAY)) AS __timestamp FROM orders
-- tool: Superset, by quarter | both
SELECT MAKEDATE(YEAR(created_at), 1) + INTERVAL QUARTER(created_at) QUARTER - INTERVAL 1 QUARTER AS __timestamp FROM orders
-- tool: Superset, by year | both
SELECT DATE(DATE_SUB(created_at, INTERVAL DAYOFYEAR(created_at) - 1 DAY)) AS __timestamp, AVG(amount) AS `AVG(amount)` FROM orders WHERE created_at >= STR_TO_DATE('2024-01-01 00:00:00.000000', '%Y-%m-%d %H:%i:%s.%f') AND created_at < STR_TO_DATE('2025-01-01 00:00:00.000000', '%Y-%m-%d %H:%i:%s.%f') GROUP BY 1 ORDER BY 2 DESC
-- tool: Superset, virtual dataset | both
SELECT status AS status, sum(amount) AS `SUM(amount)` 
FROM (select * from orders where amount is not null
) AS virtual_table GROUP BY status ORDER BY `SUM(amount)` DESC 
LIMIT 1000
-- tool: Superset, series limit | both
SELECT DATE(created_at) AS __timestamp, orders.status AS status, count(*) AS count_1 FROM orders INNER JOIN (SELECT status AS status__, count(*) AS mme_inner__ FROM orders GROUP BY status ORDER BY mme_inner__ DESC LIMIT 10) AS anon_1 ON orders.status = anon_1.status__ GROUP BY orders.status, DATE(created_at) ORDER BY count_1 DESC LIMIT 10000
-- tool: Superset, SQL Lab | both
SELECT * FROM test.orders
LIMIT 1001
-- tool: Superset, filter values | both
SELECT DISTINCT status AS status FROM orders LIMIT 1000 OFFSET 0
-- tool: Superset, catalog | both
SHOW FULL TABLES FROM `test`
-- tool: Superset, database check | both
SELECT DATABASE() AS db, USER() AS u
-- tool: Superset, percentages | both
SELECT status, count(*) * 100.0 / (SELECT count(*) FROM orders) AS `%_of_total` FROM orders WHERE status LIKE '%a%' GROUP BY status
-- tool: SQLAlchemy | both
SELECT CAST('test plain returns' AS CHAR(60)) AS anon_1
-- tool: SQLAlchemy | both
SELECT CAST('test unicode returns' AS CHAR(60)) AS anon_1
-- tool: SQLAlchemy | both
SELECT CAST('test collated returns' AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin AS anon_1
-- tool: SQLAlchemy | both
SELECT 'x' AS `some_label`
-- tool: SQLAlchemy | both
SHOW VARIABLES LIKE 'sql_mode'
-- tool: SQLAlchemy | both
SHOW VARIABLES LIKE 'lower_case_table_names'
-- tool: SQLAlchemy | both
show collation where `Charset` = 'utf8mb4' and `Collation` = 'utf8mb4_bin'
-- tool: SQLAlchemy | both
SELECT @@character_set_connection
-- tool: SQLAlchemy, has_table | both
DESCRIBE `test`.`orders`
-- tool: SQLAlchemy, reflection | both
SHOW CREATE TABLE `test`.`orders`
-- tool: SQLAlchemy, reflection | both
SHOW FULL TABLES FROM `test`
-- tool: SQLAlchemy, foreign keys | both
SELECT table_schema, table_name, column_name 
FROM information_schema.columns 
WHERE (table_schema = 'test' AND table_name = 'customers' AND lower(column_name) IN ('id'))
-- tool: SQLAlchemy, schema names | both
SHOW schemas
-- tool: SQLAlchemy, two-phase recovery of nothing | both
SELECT * FROM orders WHERE false
-- tool: SQLAlchemy, empty IN | both
SELECT orders.id FROM orders WHERE orders.id IN (SELECT 1 FROM (SELECT 1) as _empty_set WHERE 1!=1)
-- tool: SQLAlchemy, match | both
SELECT orders.id FROM orders WHERE MATCH (orders.note) AGAINST ('database' IN BOOLEAN MODE)
-- tool: SQLAlchemy, null-safe comparison | both
SELECT orders.id FROM orders WHERE NOT (orders.note <=> NULL) AND orders.status IS NOT NULL
-- tool: SQLAlchemy, regexp | both
SELECT customers.id FROM customers WHERE customers.name REGEXP '^A' AND customers.name NOT REGEXP 'z$'
-- tool: SQLAlchemy, JSON | both
SELECT CASE JSON_EXTRACT(orders.doc, '$."a"') WHEN 'null' THEN NULL ELSE JSON_EXTRACT(orders.doc, '$."a"') + 0 END AS anon_1 FROM orders
-- tool: SQLAlchemy, with_for_update | both
SELECT orders.id FROM orders WHERE orders.id = 1 FOR UPDATE
-- tool: SQLAlchemy, with_for_update(read) | both
SELECT orders.id FROM orders WHERE orders.id = 1 LOCK IN SHARE MODE
-- tool: SQLAlchemy, concat and modulo | both
SELECT concat(customers.name, ' <', customers.email, '>') AS who, customers.id % 2 AS odd FROM customers
-- tool: Redash | both
SELECT col.table_schema as table_schema, col.table_name as table_name, col.column_name as column_name FROM `information_schema`.`columns` col WHERE col.table_schema NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
-- tool: Looker | both
SELECT DATE_FORMAT(TIMESTAMP(DATE(DATE_ADD(orders.created_at ,INTERVAL 0 day))),'%Y-%m-%d') AS `orders.created_date`, COUNT(*) AS `orders.count` FROM orders AS orders GROUP BY 1 ORDER BY 1 DESC LIMIT 500
-- tool: Looker, query information | both
-- Looker Query Context '{"user_id":1,"history_slug":"abc"}'
SELECT COALESCE(SUM(orders.amount ), 0) AS `orders.total` FROM orders
-- tool: Tableau | both
SELECT SUM(`orders`.`amount`) AS `sum_amount_ok`, ADDDATE( CONCAT( DATE_FORMAT( `orders`.`created_at`, '%Y-%m-01 ' ), '00:00:00' ), INTERVAL 0 SECOND ) AS `tmn_created_at_ok` FROM `orders` GROUP BY 2
-- tool: Tableau, connection | both
SELECT COUNT(1) AS `cnt`, MIN(`X__alias__0`) FROM (SELECT 1 AS `X__alias__0`) `t0` HAVING (COUNT(1) > 0)
-- tool: Power BI | both
select `$Table`.`id` as `id`, `$Table`.`status` as `status` from `test`.`orders` `$Table` order by `$Table`.`id` limit 1000

-- tool: DBeaver | both
SET SESSION net_write_timeout=600
-- tool: DBeaver | both
SELECT DATABASE()
-- tool: DBeaver | both
SHOW ENGINES
-- tool: DBeaver | both
SHOW CHARSET
-- tool: DBeaver | both
SHOW COLLATION
-- tool: DBeaver | both
SHOW PLUGINS
-- tool: DBeaver | both
SHOW PRIVILEGES
-- tool: DBeaver | both
SHOW VARIABLES LIKE 'lower_case_table_names'
-- tool: DBeaver | both
SELECT @@GLOBAL.character_set_server,@@GLOBAL.collation_server
-- tool: DBeaver | both
SHOW DATABASES LIKE 'test'
-- tool: DBeaver | both
SELECT * FROM information_schema.SCHEMATA
-- tool: DBeaver | both
SHOW FULL TABLES FROM `test`
-- tool: DBeaver | both
SHOW TABLE STATUS FROM `test`
-- tool: DBeaver | both
SHOW FULL TABLES FROM `test` WHERE Table_type = 'VIEW'
-- tool: DBeaver, columns | both
SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=? AND TABLE_NAME=? ORDER BY ORDINAL_POSITION
-- tool: DBeaver, statistics | both
SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='test' AND TABLE_NAME='orders' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
-- tool: DBeaver, constraints | both
SELECT kc.CONSTRAINT_NAME,kc.TABLE_NAME,kc.COLUMN_NAME,kc.ORDINAL_POSITION
FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE kc WHERE kc.TABLE_SCHEMA='test' AND kc.REFERENCED_TABLE_NAME IS NULL AND kc.TABLE_NAME='orders'
ORDER BY kc.CONSTRAINT_NAME,kc.ORDINAL_POSITION
-- tool: DBeaver, check constraints | both
SELECT cc.CONSTRAINT_NAME, cc.CHECK_CLAUSE, tc.TABLE_NAME
FROM (SELECT CONSTRAINT_NAME, CHECK_CLAUSE
FROM INFORMATION_SCHEMA.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = 'test') cc,
(SELECT CONSTRAINT_NAME, TABLE_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = 'test' AND TABLE_NAME='orders') tc
WHERE cc.CONSTRAINT_NAME = tc.CONSTRAINT_NAME ORDER BY cc.CONSTRAINT_NAME
-- tool: DBeaver, routines | both
SELECT * FROM information_schema.ROUTINES
WHERE ROUTINE_SCHEMA='test'
ORDER BY ROUTINE_NAME
-- tool: DBeaver, triggers | both
SHOW FULL TRIGGERS FROM `test`
-- tool: DBeaver, triggers | both
SELECT * FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='test' ORDER BY TRIGGER_NAME
-- tool: DBeaver, events | both
SELECT * FROM information_schema.EVENTS WHERE EVENT_SCHEMA='test'
-- tool: DBeaver, partitions | both
SELECT * FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA='test' AND TABLE_NAME='parts' ORDER BY PARTITION_ORDINAL_POSITION,SUBPARTITION_ORDINAL_POSITION
-- tool: DBeaver, users | both
SELECT * FROM mysql.user ORDER BY user
-- tool: DBeaver, grants | both
SHOW GRANTS
-- tool: DBeaver, DDL | both
SHOW CREATE TABLE test.orders
-- tool: DBeaver, DDL of a view | both
SHOW CREATE VIEW `test`.`order_totals`
-- tool: DBeaver, view definition | both
SELECT * FROM INFORMATION_SCHEMA.VIEWS WHERE TABLE_SCHEMA='test' AND TABLE_NAME='order_totals'
-- tool: DBeaver, sessions | both
SHOW FULL PROCESSLIST
-- tool: DBeaver, status | both
SHOW GLOBAL STATUS
-- tool: DBeaver, status | both
SHOW STATUS
-- tool: DBeaver, plan | both
EXPLAIN EXTENDED SELECT * FROM orders
-- tool: DBeaver, plan | both
EXPLAIN FORMAT=JSON SELECT * FROM orders WHERE id = 1
-- tool: DBeaver, data viewer | both
SELECT o.*
FROM test.orders o
WHERE status = 'paid'
ORDER BY o.id DESC
LIMIT 200, 200
-- tool: DBeaver, row count | both
SELECT COUNT(*) FROM test.orders
-- tool: DBeaver, sequences | mariadb
SHOW FULL TABLES FROM `test` WHERE TABLE_TYPE = 'SEQUENCE'
-- tool: DBeaver, search for objects | both
SELECT TABLE_SCHEMA,TABLE_NAME FROM information_schema.TABLES WHERE (LOWER(TABLE_NAME) LIKE '%ord%') AND TABLE_SCHEMA='test' ORDER BY TABLE_NAME LIMIT 100
-- tool: DBeaver, help | both
SELECT name FROM mysql.help_topic WHERE name = 'SELECT'
-- tool: phpMyAdmin | both
SELECT @@version, @@version_comment
-- tool: phpMyAdmin | both
SELECT @@lower_case_table_names
-- tool: phpMyAdmin | both
SET collation_connection = 'utf8mb4_unicode_ci';
-- tool: phpMyAdmin | both
SET lc_messages = 'de_DE';
-- tool: phpMyAdmin | both
SET SESSION sql_mode=(SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))
-- tool: phpMyAdmin | both
SELECT CURRENT_USER();
-- tool: phpMyAdmin | both
SELECT COUNT(*) FROM mysql.user
-- tool: phpMyAdmin | both
SELECT 1 FROM mysql.user LIMIT 1
-- tool: phpMyAdmin | both
SELECT 1 FROM `INFORMATION_SCHEMA`.`USER_PRIVILEGES` WHERE `PRIVILEGE_TYPE` = 'CREATE USER' AND '''app''@''%''' LIKE `GRANTEE` UNION SELECT 1 FROM mysql.user WHERE `create_user_priv` = 'Y' COLLATE utf8mb4_general_ci AND 'app' LIKE `User` AND '' LIKE `Host` LIMIT 1
-- tool: phpMyAdmin | both
SELECT 1 FROM (SELECT `GRANTEE`, `IS_GRANTABLE` FROM `INFORMATION_SCHEMA`.`COLUMN_PRIVILEGES` UNION SELECT `GRANTEE`, `IS_GRANTABLE` FROM `INFORMATION_SCHEMA`.`TABLE_PRIVILEGES` UNION SELECT `GRANTEE`, `IS_GRANTABLE` FROM `INFORMATION_SCHEMA`.`SCHEMA_PRIVILEGES` UNION SELECT `GRANTEE`, `IS_GRANTABLE` FROM `INFORMATION_SCHEMA`.`USER_PRIVILEGES`) t WHERE `IS_GRANTABLE` = 'YES' AND '''app''@''%''' LIKE `GRANTEE` LIMIT 1
-- tool: phpMyAdmin, databases with statistics | both
SELECT *, CAST(BIN_NAME AS CHAR CHARACTER SET utf8) AS SCHEMA_NAME FROM (SELECT BINARY s.SCHEMA_NAME AS BIN_NAME, s.DEFAULT_COLLATION_NAME, COUNT(t.TABLE_SCHEMA)  AS SCHEMA_TABLES, SUM(t.TABLE_ROWS)      AS SCHEMA_TABLE_ROWS, SUM(t.DATA_LENGTH + t.INDEX_LENGTH) AS SCHEMA_LENGTH, SUM(IF(t.ENGINE <> 'InnoDB', t.DATA_FREE, 0)) AS SCHEMA_DATA_FREE FROM `information_schema`.SCHEMATA s  LEFT JOIN `information_schema`.TABLES t ON BINARY t.TABLE_SCHEMA = BINARY s.SCHEMA_NAME GROUP BY BINARY s.SCHEMA_NAME, s.DEFAULT_COLLATION_NAME ORDER BY BINARY `SCHEMA_NAME` ASC LIMIT 100) a
-- tool: phpMyAdmin, tables | both
SELECT *, `TABLE_SCHEMA`       AS `Db`, `TABLE_NAME`         AS `Name`, `TABLE_TYPE`         AS `TABLE_TYPE`, `ENGINE`             AS `Engine`, `ENGINE`             AS `Type`, `VERSION`            AS `Version`, `ROW_FORMAT`         AS `Row_format`, `TABLE_ROWS`         AS `Rows`, `AUTO_INCREMENT`     AS `Auto_increment`, `TABLE_COLLATION`    AS `Collation`, `CHECKSUM`           AS `Checksum`, `TABLE_COMMENT`      AS `Comment` FROM `information_schema`.`TABLES` t WHERE `TABLE_SCHEMA` COLLATE utf8mb3_bin IN ('test') AND t.`TABLE_NAME` COLLATE utf8mb3_bin IN ('orders', 'customers') AND t.`TABLE_TYPE` NOT IN ('VIEW') ORDER BY Name ASC
-- tool: phpMyAdmin, columns | both
SELECT `COLUMN_NAME` AS `Field`, `COLUMN_TYPE` AS `Type`, `COLLATION_NAME` AS `Collation`, `IS_NULLABLE` AS `Null`, `COLUMN_KEY` AS `Key`, `COLUMN_DEFAULT` AS `Default`, `EXTRA` AS `Extra`, `PRIVILEGES` AS `Privileges`, `COLUMN_COMMENT` AS `Comment` FROM `information_schema`.`COLUMNS` WHERE `TABLE_SCHEMA` COLLATE utf8mb3_bin = 'test' AND `TABLE_NAME` COLLATE utf8mb3_bin = 'orders' ORDER BY `ORDINAL_POSITION`
-- tool: phpMyAdmin, routines | both
SELECT `SPECIFIC_NAME` AS `Name`, `ROUTINE_TYPE` AS `Type`, `DEFINER` AS `Definer`, `DTD_IDENTIFIER` FROM `information_schema`.`ROUTINES` WHERE `ROUTINE_SCHEMA` COLLATE utf8mb3_bin = 'test' AND `ROUTINE_TYPE` = 'FUNCTION' ORDER BY `SPECIFIC_NAME` LIMIT 250 OFFSET 0
-- tool: phpMyAdmin, events | both
SELECT `EVENT_SCHEMA` AS `Db`, `EVENT_NAME` AS `Name`, `TIME_ZONE` AS `Time zone`, `EVENT_TYPE` AS `Type`, `EXECUTE_AT` AS `Execute at`, `INTERVAL_VALUE` AS `Interval value`, `STARTS` AS `Starts`, `STATUS` AS `Status`, `DATABASE_COLLATION` AS `Database Collation` FROM `information_schema`.`EVENTS` WHERE `EVENT_SCHEMA` COLLATE utf8mb3_bin = 'test'
-- tool: phpMyAdmin, triggers | both
SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_TIMING, ACTION_STATEMENT, EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, DEFINER FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA COLLATE utf8mb3_bin= 'test' AND EVENT_OBJECT_TABLE COLLATE utf8mb3_bin = 'orders';
-- tool: phpMyAdmin, indexes | both
SHOW INDEXES FROM `test`.`orders` WHERE (Non_unique = 0)
-- tool: phpMyAdmin, foreign keys | both
SELECT TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.key_column_usage WHERE referenced_table_name IS NOT NULL AND TABLE_SCHEMA = 'test' AND TABLE_NAME IN ('orders','customers') AND REFERENCED_TABLE_NAME IN ('orders','customers');
-- tool: phpMyAdmin, browsing | both
SELECT * FROM `orders` ORDER BY `orders`.`created_at` DESC LIMIT 0, 25
-- tool: phpMyAdmin, browsing | both
SELECT SQL_CALC_FOUND_ROWS * FROM `orders` LIMIT 1
-- tool: phpMyAdmin, browsing | both
SELECT FOUND_ROWS() as count
-- tool: phpMyAdmin, counting | both
SELECT COUNT(*) FROM (SELECT 1 FROM `orders` LIMIT 25000) as cnt
-- tool: phpMyAdmin, search | both
SELECT *  FROM `test`.`orders` WHERE (CONVERT(`id` USING utf8) LIKE '%1%' OR CONVERT(`note` USING utf8) LIKE '%1%')
-- tool: phpMyAdmin, profiling | both
SET PROFILING=1;
-- tool: phpMyAdmin, profiling | both
SHOW PROFILE
-- tool: phpMyAdmin, bookmarks and status | both
SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com\\_%'
-- tool: phpMyAdmin, replication | both
SELECT @@global.server_id, @@global.log_bin
-- tool: phpMyAdmin, replication | mariadb
SHOW SLAVE HOSTS
-- tool: phpMyAdmin, replication | mariadb
SHOW ALL SLAVES STATUS
-- tool: phpMyAdmin, replication | mysql
SHOW REPLICA STATUS
-- tool: phpMyAdmin, export | both
SHOW TABLE STATUS FROM `test` WHERE Name = 'orders'
-- tool: phpMyAdmin, plugins | both
SELECT `PLUGIN_NAME`, `PLUGIN_TYPE`, `PLUGIN_STATUS` FROM `information_schema`.`PLUGINS` ORDER BY `PLUGIN_TYPE`, `PLUGIN_NAME`
-- tool: phpMyAdmin, character sets | both
SELECT `CHARACTER_SET_NAME` AS `Charset`, `DEFAULT_COLLATE_NAME` AS `Default collation`, `DESCRIPTION` AS `Description`, `MAXLEN` AS `Maxlen` FROM `information_schema`.`CHARACTER_SETS`
-- tool: phpMyAdmin, designer | both
SELECT CONCAT_WS('.', `TABLE_SCHEMA`, `TABLE_NAME`), UNIX_TIMESTAMP(NOW()) - UNIX_TIMESTAMP(MAX(`CREATE_TIME`)) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'test' GROUP BY 1
-- tool: MySQL Workbench | both
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
-- tool: MySQL Workbench | both
SET CHARACTER SET utf8
-- tool: MySQL Workbench | both
SHOW SESSION VARIABLES LIKE 'sql_mode'
-- tool: MySQL Workbench | both
SHOW SESSION STATUS LIKE 'Ssl_cipher'
-- tool: MySQL Workbench | both
SELECT current_user()
-- tool: MySQL Workbench | both
SHOW FULL COLUMNS FROM `test`.`orders`
-- tool: MySQL Workbench | both
SHOW PROCEDURE STATUS WHERE Db='test'
-- tool: MySQL Workbench | both
SHOW FUNCTION STATUS WHERE Db='test'
-- tool: MySQL Workbench | mysql
SELECT st.* FROM performance_schema.events_statements_current st JOIN performance_schema.threads thr ON thr.thread_id = st.thread_id WHERE thr.processlist_id = 1
-- tool: MySQL Workbench | both
SELECT name, type FROM mysql.proc WHERE 1 = 0
-- tool: HeidiSQL | both
SHOW /*!50002 GLOBAL */ STATUS
-- tool: HeidiSQL | both
SELECT CONNECTION_ID();
-- tool: HeidiSQL | both
/*!40101 SET NAMES utf8mb4 */;
-- tool: HeidiSQL | both
SHOW VARIABLES;
-- tool: HeidiSQL | both
SELECT `DEFAULT_COLLATION_NAME` FROM `information_schema`.`SCHEMATA` WHERE `SCHEMA_NAME`='test';
-- tool: HeidiSQL | both
SELECT *, EVENT_SCHEMA AS `Db`, EVENT_NAME AS `Name` FROM information_schema.`EVENTS` WHERE `EVENT_SCHEMA`='test';
-- tool: HeidiSQL | both
SELECT `id`, `customer_id`, LEFT(`note`, 256) FROM `test`.`orders` ORDER BY `id` ASC LIMIT 1000;
-- tool: HeidiSQL | both
SELECT NOW(), UTC_TIMESTAMP();
-- tool: Adminer | both
SELECT SQL_CALC_FOUND_ROWS * FROM `orders` WHERE `id` = 1 LIMIT 50
-- tool: Adminer | both
SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME
-- tool: Adminer | both
SET sql_quote_show_create = 1, autocommit = 1
-- tool: Adminer | both
SHOW CREATE DATABASE `test`
-- tool: DataGrip | both
select schema_name, default_collation_name from information_schema.schemata
-- tool: DataGrip | both
select table_name, table_type, table_comment, engine, table_collation, create_options from information_schema.tables where table_schema = 'test'
-- tool: DataGrip | both
SELECT t.* FROM test.orders t LIMIT 501
-- tool: DataGrip | both
/* ApplicationName=DataGrip 2024.1 */ select database()
-- tool: Sequel Ace | both
SHOW VARIABLES LIKE 'character_set_results'
-- tool: Sequel Ace | both
SELECT * FROM `orders` LIMIT 0,1000

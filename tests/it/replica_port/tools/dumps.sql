-- tool: mysqldump | both
/*!40100 SET @@SQL_MODE='' */
-- tool: mysqldump | both
/*!40103 SET TIME_ZONE='+00:00' */
-- tool: mysqldump | both
/*!80000 SET SESSION information_schema_stats_expiry=0 */
-- tool: mysqldump | both
SET SESSION NET_READ_TIMEOUT= 86400, SESSION NET_WRITE_TIMEOUT= 86400
-- tool: mysqldump | both
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
-- tool: mysqldump | both
START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */
-- tool: mysqldump | both
SHOW VARIABLES LIKE 'gtid\_mode'
-- tool: mysqldump | mysql
SELECT @@GLOBAL.GTID_EXECUTED
-- tool: mysqldump | both
UNLOCK TABLES
-- tool: mysqldump | both
SELECT LOGFILE_GROUP_NAME, FILE_NAME, TOTAL_EXTENTS, INITIAL_SIZE, ENGINE, EXTRA FROM INFORMATION_SCHEMA.FILES WHERE FILE_TYPE = 'UNDO LOG' AND FILE_NAME IS NOT NULL AND LOGFILE_GROUP_NAME IS NOT NULL AND LOGFILE_GROUP_NAME IN (SELECT DISTINCT LOGFILE_GROUP_NAME FROM INFORMATION_SCHEMA.FILES WHERE FILE_TYPE = 'DATAFILE' AND TABLESPACE_NAME IN (SELECT DISTINCT TABLESPACE_NAME FROM INFORMATION_SCHEMA.PARTITIONS WHERE TABLE_SCHEMA IN ('test'))) GROUP BY LOGFILE_GROUP_NAME, FILE_NAME, ENGINE, TOTAL_EXTENTS, INITIAL_SIZE ORDER BY LOGFILE_GROUP_NAME
-- tool: mysqldump | both
SHOW VARIABLES LIKE 'ndbinfo\_version'
-- tool: mysqldump | both
SHOW CREATE DATABASE IF NOT EXISTS `test`
-- tool: mysqldump | both
SAVEPOINT sp
-- tool: mysqldump | both
show tables
-- tool: mysqldump | both
show table status like 'orders'
-- tool: mysqldump | both
SET SQL_QUOTE_SHOW_CREATE=1
-- tool: mysqldump | both
SET SESSION character_set_results = 'binary'
-- tool: mysqldump | both
show create table `orders`
-- tool: mysqldump | both
SET SESSION character_set_results = 'utf8mb4'
-- tool: mysqldump | both
show fields from `orders`
-- tool: mysqldump | both
SELECT /*!40001 SQL_NO_CACHE */ * FROM `orders`
-- tool: mysqldump, --where | both
SELECT /*!40001 SQL_NO_CACHE */ `id`, `note` FROM `orders` WHERE id < 100
-- tool: mysqldump, generated columns | mysql
SELECT `COLUMN_NAME` AS `Field`, `COLUMN_TYPE` AS `Type`, `IS_NULLABLE` AS `Null`, `COLUMN_KEY` AS `Key`, `COLUMN_DEFAULT` AS `Default`, `EXTRA` AS `Extra` FROM `INFORMATION_SCHEMA`.`COLUMNS` WHERE TABLE_SCHEMA = 'test' AND TABLE_NAME = 'orders' ORDER BY `ORDINAL_POSITION`
-- tool: mysqldump | both
use `test`
-- tool: mysqldump | both
select @@collation_database
-- tool: mysqldump | both
SHOW TRIGGERS LIKE 'orders'
-- tool: mysqldump | both
ROLLBACK TO SAVEPOINT sp
-- tool: mysqldump | both
RELEASE SAVEPOINT sp
-- tool: mysqldump, histograms | mysql
SELECT COLUMN_NAME, JSON_EXTRACT(HISTOGRAM, '$."number-of-buckets-specified"') FROM information_schema.COLUMN_STATISTICS WHERE SCHEMA_NAME = 'test' AND TABLE_NAME = 'orders'
-- tool: mysqldump, --lock-tables | both
LOCK TABLES `customers` READ /*!32311 LOCAL */,`orders` READ /*!32311 LOCAL */
-- tool: mysqldump, --lock-tables | both
UNLOCK TABLES
-- tool: mysqldump, --routines | both
SHOW FUNCTION STATUS WHERE Db = 'test'
-- tool: mysqldump, --routines | both
SHOW PROCEDURE STATUS WHERE Db = 'test'
-- tool: mysqldump, --events | both
show events
-- tool: mysqldump, --order-by-primary | both
SHOW KEYS FROM `orders`
-- tool: mysqldump, views | both
SHOW CREATE TABLE `order_totals`
-- tool: mysqldump, views | both
SELECT CHECK_OPTION, DEFINER, SECURITY_TYPE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.views WHERE table_name="order_totals" AND table_schema="test"
-- tool: mysqldump, views | both
SELECT engine, table_type FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = DATABASE() AND table_name = 'order_totals'
-- tool: mariadb-dump | mariadb
/*!40100 SET @@SQL_MODE='NO_BACKSLASH_ESCAPES' */
-- tool: mariadb-dump | mariadb
/*!100203 SET @@MAX_STATEMENT_TIME=0 */
-- tool: mariadb-dump | mariadb
/*!100100 SET WAIT_TIMEOUT=DEFAULT */
-- tool: mariadb-dump | mariadb
SELECT table_name FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = DATABASE() AND table_type = 'SEQUENCE'
-- tool: mariadb-dump | mariadb
SHOW PACKAGE STATUS WHERE Db = 'test'
-- tool: mariadb-dump | mariadb
SHOW PACKAGE BODY STATUS WHERE Db = 'test'
-- tool: mariadb-dump | mariadb
SELECT CONCAT(QUOTE(User),'@',QUOTE(Host)) FROM mysql.user WHERE is_role = 'N'
-- tool: mariadb-dump, --dump-history | mariadb
SELECT /*!40001 SQL_NO_CACHE */ @@tx_isolation
-- tool: mydumper | both
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
-- tool: mydumper | both
SELECT FIND_IN_SET('ANSI', @@SQL_MODE) OR FIND_IN_SET('ANSI_QUOTES', @@SQL_MODE)
-- tool: mydumper | both
SELECT @@SQL_MODE
-- tool: mydumper | both
SELECT @@version_comment, @@version
-- tool: mydumper | both
SHOW PROCESSLIST
-- tool: mydumper | both
SET SESSION net_read_timeout = 2147483
-- tool: mydumper | both
SET SESSION net_write_timeout = 2147483
-- tool: mydumper | both
SET SESSION wait_timeout = 2147483
-- tool: mydumper | mysql
SET SESSION information_schema_stats_expiry = 0 /*!80003
*/
-- tool: mydumper | both
/*!40103 SET TIME_ZONE='+00:00' */
-- tool: mydumper | both
/*!40101 SET NAMES binary*/
-- tool: mydumper | both
SET NAMES utf8mb4
-- tool: mydumper | both
START TRANSACTION /*!40108 WITH CONSISTENT SNAPSHOT */
-- tool: mydumper | both
SHOW DATABASES
-- tool: mydumper | both
SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME='test'
-- tool: mydumper | both
SHOW TABLE STATUS
-- tool: mydumper | both
select COLUMN_NAME from information_schema.COLUMNS where TABLE_SCHEMA='test' and TABLE_NAME='orders' and extra like '%GENERATED%' and extra not like '%DEFAULT_GENERATED%'
-- tool: mydumper | both
SHOW INDEX FROM `test`.`orders`
-- tool: mydumper | both
SELECT /*!40001 SQL_NO_CACHE */ MIN(`id`),MAX(`id`),LEFT(MIN(`id`),1),LEFT(MAX(`id`),1) FROM `test`.`orders`
-- tool: mydumper | both
SELECT /*!40001 SQL_NO_CACHE */ `id`,`note` FROM `test`.`orders` WHERE (`id` IS NULL OR (1 <= `id` AND `id` <= 1000))
-- tool: mydumper | both
EXPLAIN SELECT `id` FROM `test`.`orders` WHERE `id` > 1
-- tool: mydumper | both
SELECT CONCAT(TABLE_SCHEMA,'.',TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND UPDATE_TIME < NOW() - INTERVAL 1 DAY
-- tool: mydumper | both
SELECT PARTITION_NAME from information_schema.PARTITIONS where PARTITION_NAME is not null and TABLE_SCHEMA='test' and TABLE_NAME='parts'
-- tool: mydumper | both
SELECT /*!40001 SQL_NO_CACHE */ * FROM `test`.`parts` PARTITION (p0)
-- tool: mydumper | both
CHECKSUM TABLE `test`.`orders`
-- tool: mydumper | both
SELECT COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', `id`, CONCAT(ISNULL(`note`)))) AS UNSIGNED)), 10, 16)), 0) AS crc FROM `test`.`orders`
-- tool: mydumper | both
SELECT DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM INFORMATION_SCHEMA.VIEWS WHERE TABLE_NAME='order_totals' AND TABLE_SCHEMA='test'
-- tool: mydumper, replication | mariadb
SHOW SLAVE STATUS
-- tool: mydumper, replication | mariadb
SELECT @@gtid_current_pos, @@global.gtid_binlog_pos
-- tool: mydumper, replication | mysql
SHOW BINARY LOG STATUS
-- tool: pt-table-checksum's reads | both
SELECT /*!40001 SQL_NO_CACHE */ `id` FROM `test`.`orders` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= 1)) ORDER BY `id` LIMIT 1000, 2 /*next chunk boundary*/
-- tool: pt-table-checksum's reads | both
EXPLAIN SELECT COUNT(*), '0' FROM `test`.`orders` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= '1')) AND ((`id` <= '10')) /*explain chunk*/
-- tool: MySQL Shell's dumps | mysql
SELECT SQL_NO_CACHE `id`,`note` FROM `test`.`orders` ORDER BY `id` /* mysqlsh dumpSchemas, dumping table `test`.`orders`, chunk ID: 0 */
-- tool: MySQL Shell's dumps | mysql
SELECT @@GLOBAL.GTID_EXECUTED
-- tool: gh-ost's reads | both
select /* gh-ost `test`.`orders` */ `id` from `test`.`orders` force index (PRIMARY) order by `id` asc limit 1

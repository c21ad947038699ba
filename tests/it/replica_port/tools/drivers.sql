-- tool: Connector/J 8 | both
/* mysql-connector-j-8.4.0 (Revision: x) */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@transaction_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout
-- tool: Connector/J 5.1 | both
/* mysql-connector-java-5.1.49 ( Revision: x ) */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout
-- tool: Connector/J 5.1 | both
SHOW VARIABLES WHERE Variable_name ='language' OR Variable_name = 'net_write_timeout' OR Variable_name = 'interactive_timeout' OR Variable_name = 'wait_timeout' OR Variable_name = 'character_set_client' OR Variable_name = 'tx_isolation' OR Variable_name = 'sql_mode'
-- tool: Connector/J | both
SET NAMES utf8mb4
-- tool: Connector/J | both
SET character_set_results = NULL
-- tool: Connector/J | both
SET NAMES utf8mb4 COLLATE utf8mb4_general_ci
-- tool: Connector/J | both
SET autocommit=1
-- tool: Connector/J | both
SET sql_mode='STRICT_TRANS_TABLES'
-- tool: Connector/J, isValid | both
/* ping */ SELECT 1
-- tool: Connector/J, setReadOnly | both
SET SESSION TRANSACTION READ ONLY
-- tool: Connector/J, setTransactionIsolation | both
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
-- tool: Connector/J, isReadOnly | mysql
SELECT @@session.transaction_read_only
-- tool: Connector/J, getTransactionIsolation | mysql
SELECT @@session.transaction_isolation
-- tool: Connector/J, setMaxRows | both
SET SQL_SELECT_LIMIT=100
-- tool: Connector/J, setMaxRows | both
SET SQL_SELECT_LIMIT=DEFAULT
-- tool: Connector/J, setCatalog | both
USE `test`
-- tool: Connector/J, DatabaseMetaData.getTables | both
SELECT TABLE_SCHEMA AS TABLE_CAT, NULL AS TABLE_SCHEM, TABLE_NAME, CASE WHEN TABLE_TYPE='BASE TABLE' THEN CASE WHEN TABLE_SCHEMA = 'mysql' OR TABLE_SCHEMA = 'performance_schema' THEN 'SYSTEM TABLE' ELSE 'TABLE' END WHEN TABLE_TYPE='TEMPORARY' THEN 'LOCAL_TEMPORARY' ELSE TABLE_TYPE END AS TABLE_TYPE, TABLE_COMMENT AS REMARKS, NULL AS TYPE_CAT, NULL AS TYPE_SCHEM, NULL AS TYPE_NAME, NULL AS SELF_REFERENCING_COL_NAME, NULL AS REF_GENERATION FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'test' HAVING TABLE_TYPE IN ('TABLE','VIEW',null,null,null) ORDER BY TABLE_TYPE, TABLE_SCHEMA, TABLE_NAME
-- tool: Connector/J, DatabaseMetaData.getColumns | both
SELECT TABLE_SCHEMA AS TABLE_CAT, NULL AS TABLE_SCHEM, TABLE_NAME, COLUMN_NAME, CASE  WHEN UPPER(DATA_TYPE)='DECIMAL' THEN 3 WHEN UPPER(DATA_TYPE)='TINYINT' THEN CASE WHEN LOCATE('ZEROFILL', UPPER(COLUMN_TYPE)) = 0 AND LOCATE('UNSIGNED', UPPER(COLUMN_TYPE)) = 0 AND LOCATE('(1)', COLUMN_TYPE) != 0 THEN -7 ELSE -6 END  WHEN UPPER(DATA_TYPE)='INT' THEN 4 ELSE 1111 END  AS DATA_TYPE, UPPER(CASE WHEN UPPER(DATA_TYPE)='TINYINT' THEN 'BIT' ELSE DATA_TYPE END) AS TYPE_NAME, UPPER(CASE WHEN UPPER(DATA_TYPE)='DATE' THEN 10 WHEN CHARACTER_MAXIMUM_LENGTH IS NULL THEN NUMERIC_PRECISION ELSE CHARACTER_MAXIMUM_LENGTH END) AS COLUMN_SIZE, 65535 AS BUFFER_LENGTH, UPPER(CASE WHEN DATA_TYPE='YEAR' THEN NULL WHEN NUMERIC_SCALE IS NULL AND DATETIME_PRECISION IS NOT NULL THEN DATETIME_PRECISION ELSE NUMERIC_SCALE END) AS DECIMAL_DIGITS, 10 AS NUM_PREC_RADIX, CASE WHEN IS_NULLABLE='NO' THEN 0 ELSE CASE WHEN IS_NULLABLE='YES' THEN 1 ELSE 2 END END AS NULLABLE, COLUMN_COMMENT AS REMARKS, CASE WHEN COLUMN_DEFAULT IS NULL THEN NULL ELSE COLUMN_DEFAULT END AS COLUMN_DEF, 0 AS SQL_DATA_TYPE, 0 AS SQL_DATETIME_SUB, CASE WHEN CHARACTER_OCTET_LENGTH > 2147483647 THEN 2147483647 ELSE CHARACTER_OCTET_LENGTH END AS CHAR_OCTET_LENGTH, ORDINAL_POSITION, IS_NULLABLE, NULL AS SCOPE_CATALOG, IF (EXTRA LIKE '%auto_increment%','YES','NO') AS IS_AUTOINCREMENT, IF (EXTRA LIKE '%GENERATED%','YES','NO') AS IS_GENERATEDCOLUMN FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'test' AND TABLE_NAME LIKE 'orders' AND COLUMN_NAME LIKE '%' ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
-- tool: Connector/J, getImportedKeys | both
SELECT A.REFERENCED_TABLE_SCHEMA AS PKTABLE_CAT,NULL AS PKTABLE_SCHEM, A.REFERENCED_TABLE_NAME AS PKTABLE_NAME,A.REFERENCED_COLUMN_NAME AS PKCOLUMN_NAME,A.TABLE_SCHEMA AS FKTABLE_CAT, A.TABLE_NAME AS FKTABLE_NAME,A.COLUMN_NAME AS FKCOLUMN_NAME, A.ORDINAL_POSITION AS KEY_SEQ, CASE WHEN R.UPDATE_RULE='CASCADE' THEN 0 WHEN R.UPDATE_RULE='SET NULL' THEN 2 WHEN R.UPDATE_RULE='RESTRICT' THEN 1 ELSE 3 END  AS UPDATE_RULE, A.CONSTRAINT_NAME AS FK_NAME, R.UNIQUE_CONSTRAINT_NAME AS PK_NAME,7 AS DEFERRABILITY FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE A JOIN INFORMATION_SCHEMA.TABLE_CONSTRAINTS B USING (CONSTRAINT_NAME, TABLE_NAME) JOIN INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS R ON (R.CONSTRAINT_NAME = B.CONSTRAINT_NAME AND R.TABLE_NAME = B.TABLE_NAME AND R.CONSTRAINT_SCHEMA = B.TABLE_SCHEMA) WHERE B.CONSTRAINT_TYPE = 'FOREIGN KEY' AND A.TABLE_SCHEMA LIKE 'test' AND A.TABLE_NAME='orders' AND A.REFERENCED_TABLE_SCHEMA IS NOT NULL ORDER BY A.REFERENCED_TABLE_SCHEMA, A.REFERENCED_TABLE_NAME, A.ORDINAL_POSITION
-- tool: Connector/J, getPrimaryKeys | both
SHOW KEYS FROM `orders` FROM `test`
-- tool: Connector/J, getProcedures | both
SELECT ROUTINE_SCHEMA AS PROCEDURE_CAT, NULL AS PROCEDURE_SCHEM, ROUTINE_NAME AS PROCEDURE_NAME, NULL AS RESERVED_1, ROUTINE_COMMENT AS REMARKS, CASE WHEN ROUTINE_TYPE = 'PROCEDURE' THEN 1 WHEN ROUTINE_TYPE='FUNCTION' THEN 2 ELSE 0 END AS PROCEDURE_TYPE, ROUTINE_NAME AS SPECIFIC_NAME FROM INFORMATION_SCHEMA.ROUTINES WHERE ROUTINE_SCHEMA = 'test' AND ROUTINE_NAME LIKE '%' ORDER BY ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE
-- tool: Connector/J, cancel | both
SELECT CONNECTION_ID()
-- tool: Connector/J, escape processing | both
SELECT {d '2024-01-02'}, {t '10:20:30'}, {ts '2024-01-02 10:20:30'}
-- tool: Connector/J, escape processing of outer joins | both
SELECT c.name FROM {OJ customers c LEFT OUTER JOIN orders o ON o.customer_id = c.id}
-- tool: MariaDB Connector/J 3 | mariadb
set sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'),session_track_system_variables = CONCAT(@@global.session_track_system_variables,',tx_isolation'),@@session.tx_read_only=1,NAMES utf8mb4
-- tool: MariaDB Connector/J 3 | both
SELECT @@max_allowed_packet,@@wait_timeout
-- tool: MariaDB Connector/J 3, with MySQL | mysql
set autocommit=1,sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'),session_track_system_variables = CONCAT(@@global.session_track_system_variables,',transaction_isolation'),@@session.transaction_read_only=1,NAMES utf8mb4
-- tool: MariaDB Connector/J 2 | both
set autocommit=1, session_track_schema=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')
-- tool: MariaDB Connector/J 2 | both
SELECT @@max_allowed_packet , @@system_time_zone, @@time_zone, @@auto_increment_increment
-- tool: MariaDB Connector/J, getTransactionIsolation | mariadb
SELECT @@tx_isolation
-- tool: MariaDB Connector/J, getTables | both
SELECT TABLE_SCHEMA TABLE_CAT, NULL  TABLE_SCHEM,  TABLE_NAME, IF(TABLE_TYPE='BASE TABLE' or TABLE_TYPE='SYSTEM VERSIONED', 'TABLE', IF(TABLE_TYPE='TEMPORARY', 'LOCAL TEMPORARY', TABLE_TYPE)) as TABLE_TYPE, TABLE_COMMENT REMARKS, NULL TYPE_CAT, NULL TYPE_SCHEM, NULL TYPE_NAME, NULL SELF_REFERENCING_COL_NAME,  NULL REF_GENERATION FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'test' AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','VIEW') ORDER BY TABLE_TYPE, TABLE_SCHEMA, TABLE_NAME
-- tool: PDO, Laravel | both
set names 'utf8mb4' collate 'utf8mb4_unicode_ci'
-- tool: PDO, Laravel | both
set session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
-- tool: PDO, Laravel in one SET | both
set names 'utf8mb4' collate 'utf8mb4_unicode_ci', session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'
-- tool: PDO, Laravel's time zone | both
set time_zone="+00:00"
-- tool: Laravel, isolation level | both
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
-- tool: PDO, attribute AUTOCOMMIT | both
SET autocommit=0
-- tool: Doctrine DBAL | both
SELECT DATABASE()
-- tool: Doctrine DBAL | both
SET NAMES utf8mb4 COLLATE 'utf8mb4_unicode_ci'
-- tool: mysqli, WordPress | both
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'
-- tool: mysqli, WordPress | both
SELECT @@SESSION.sql_mode
-- tool: mysqli, WordPress | both
SET SESSION sql_mode='NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
-- tool: PyMySQL | both
SET AUTOCOMMIT = 0
-- tool: PyMySQL | both
SET NAMES utf8mb4 COLLATE utf8mb4_general_ci
-- tool: mysqlclient, Django | both
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
-- tool: Django | both
SET SQL_AUTO_IS_NULL = 0
-- tool: Django | both
SELECT VERSION(),
       @@sql_mode,
       @@default_storage_engine,
       @@sql_auto_is_null,
       @@lower_case_table_names,
       CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL
-- tool: Connector/Python | both
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_0900_ai_ci'
-- tool: Connector/Python | both
SET @@session.autocommit = OFF
-- tool: Connector/Python | both
SELECT @@session.sql_mode
-- tool: Connector/Python, time_zone | both
SET @@session.time_zone = '+00:00'
-- tool: Connector/Python, start_transaction | both
START TRANSACTION WITH CONSISTENT SNAPSHOT
-- tool: Connector/Python, start_transaction | both
START TRANSACTION READ ONLY
-- tool: mysql2, connection ping | both
SELECT 1 + 1 AS solution
-- tool: mysql2, Knex | both
SELECT 1
-- tool: mysql2, TypeORM | both
SELECT VERSION() AS `version`
-- tool: mysql2, TypeORM | both
SELECT DATABASE() AS `db_name`
-- tool: mysql2, Sequelize | both
SELECT 1+1 AS result
-- tool: mysql2, Sequelize | both
SELECT VERSION() as `version`
-- tool: mysql2, Sequelize | both
SET time_zone = '+00:00';
-- tool: Rails | both
SET NAMES utf8mb4,  @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',NO_AUTO_VALUE_ON_ZERO'),  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483
-- tool: Rails 7 | both
SET  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'),  @@SESSION.wait_timeout = 2147483
-- tool: Go, go-sql-driver | both
SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci
-- tool: Go, go-sql-driver's max_allowed_packet | both
SELECT @@max_allowed_packet
-- tool: Go, go-sql-driver's parameters | both
SET time_zone='+00:00',tx_isolation='READ-COMMITTED'
-- tool: Go, database/sql | both
START TRANSACTION
-- tool: Go, database/sql | both
COMMIT
-- tool: Go, database/sql | both
ROLLBACK
-- tool: sqlx | both
SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')),time_zone='+00:00',NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
-- tool: sqlx, migrations | both
SELECT DATABASE(), CAST(GET_LOCK(?, -1) AS SIGNED)
-- tool: mysql_async | both
SELECT @@socket, @@max_allowed_packet, @@wait_timeout
-- tool: Prisma | both
SELECT @@socket
-- tool: Prisma | both
SELECT @@version, @@GLOBAL.version
-- tool: Prisma | both
SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE
-- tool: .NET, Connector/NET | both
SHOW VARIABLES
-- tool: .NET, Connector/NET | both
SELECT @@max_allowed_packet, @@character_set_client, @@character_set_connection, @@license, @@sql_mode, @@lower_case_table_names, @@autocommit
-- tool: .NET, Connector/NET | both
SELECT TIMEDIFF(NOW(), UTC_TIMESTAMP())
-- tool: .NET, Connector/NET | both
SHOW COLLATION
-- tool: .NET, Connector/NET | both
SET character_set_results=NULL
-- tool: .NET, MySqlConnector | both
SET NAMES utf8mb4; SELECT CONNECTION_ID(), VERSION(), @@ssl_cipher;
-- tool: .NET, Entity Framework | both
SELECT 1 FROM `information_schema`.`tables` WHERE `table_schema` = 'test' LIMIT 1
-- tool: ODBC connector | both
SET NAMES utf8mb4;SET SQL_AUTO_IS_NULL = 0;
-- tool: ODBC connector | both
SELECT @@tx_isolation
-- tool: ODBC connector, SQLTables | both
SHOW TABLE STATUS FROM `test` LIKE 'orders'
-- tool: mysql command line | both
select @@version_comment limit 1
-- tool: mysql command line | both
SELECT USER()
-- tool: mysql command line, completion | both
show databases
-- tool: mysql command line, completion | both
show tables
-- tool: mysql command line, status | both
select DATABASE(), USER() limit 1
-- tool: mariadb command line | mariadb
select concat(@@version_comment, ' ', @@version)
-- tool: HikariCP | both
SELECT 1 FROM DUAL
-- tool: c3p0, dbcp | both
/* ping */SELECT 1
-- tool: ProxySQL's and HAProxy's checks | both
SHOW GLOBAL VARIABLES LIKE 'read_only'
-- tool: MySQL Router's and orchestrator's checks | both
select @@global.hostname, @@global.server_id, @@global.read_only, @@global.port
-- tool: Debezium | both
SHOW VARIABLES WHERE Variable_name IN ('character_set_server','collation_server')
-- tool: Debezium | both
SELECT @@GLOBAL.time_zone, @@SYSTEM_TIME_ZONE
-- tool: Flyway | both
SELECT COUNT(1) FROM information_schema.tables WHERE table_schema='test' AND table_name='flyway_schema_history'
-- tool: Liquibase | both
SELECT COUNT(*) FROM test.orders
-- tool: Prometheus mysqld_exporter | both
SHOW GLOBAL STATUS
-- tool: Prometheus mysqld_exporter | both
SHOW GLOBAL VARIABLES
-- tool: Prometheus mysqld_exporter | both
SELECT COUNT(*) > 0 FROM information_schema.plugins WHERE plugin_name = 'ngram'
-- tool: Prometheus mysqld_exporter | both
SET SESSION lock_wait_timeout=2
-- tool: Prometheus mysqld_exporter | both
SELECT user, SUBSTRING_INDEX(host, ':', 1) AS host, COALESCE(command, '') AS command, COALESCE(state, '') AS state, COUNT(*) AS processes, SUM(time) AS seconds FROM information_schema.processlist WHERE ID != connection_id() AND TIME >= 0 GROUP BY user, host, command, state
-- tool: Prometheus mysqld_exporter | mysql
SELECT ifnull(SCHEMA_NAME, 'NONE') as SCHEMA_NAME, DIGEST, LEFT(DIGEST_TEXT, 120) as DIGEST_TEXT, COUNT_STAR, SUM_TIMER_WAIT FROM ( SELECT * FROM performance_schema.events_statements_summary_by_digest WHERE SCHEMA_NAME NOT IN ('mysql', 'performance_schema', 'information_schema') AND LAST_SEEN > DATE_SUB(NOW(), INTERVAL 86400 SECOND) ORDER BY LAST_SEEN DESC )Q GROUP BY Q.SCHEMA_NAME, Q.DIGEST, Q.DIGEST_TEXT, Q.COUNT_STAR, Q.SUM_TIMER_WAIT ORDER BY SUM_TIMER_WAIT DESC LIMIT 250
-- tool: Datadog | both
SHOW /*!50002 GLOBAL */ STATUS;
-- tool: Zabbix | both
show global status where Variable_name in ('Uptime','Threads_connected')
-- tool: Percona Toolkit, pt-query-digest's explain | both
EXPLAIN /*!50100 PARTITIONS*/
SELECT 1
-- tool: Percona Toolkit | both
/*!40101 SET @@SQL_MODE := CONCAT(@@SQL_MODE, ',NO_AUTO_VALUE_ON_ZERO')*/
-- tool: Percona Toolkit | both
SHOW VARIABLES LIKE 'wsrep_on'
-- tool: Percona Toolkit | both
SELECT CONCAT(@@hostname, @@port)

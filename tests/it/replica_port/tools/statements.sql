-- tool: EXPLAIN | both
EXPLAIN SELECT * FROM orders WHERE id = 1
-- tool: EXPLAIN | both
EXPLAIN FORMAT=JSON SELECT * FROM orders
-- tool: EXPLAIN | both
EXPLAIN FORMAT = TRADITIONAL SELECT 1
-- tool: EXPLAIN | mysql
EXPLAIN FORMAT=TREE SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id
-- tool: EXPLAIN | mysql
EXPLAIN ANALYZE SELECT * FROM orders
-- tool: EXPLAIN | mysql
EXPLAIN ANALYZE FORMAT=TREE WITH q AS (SELECT 1) SELECT * FROM q
-- tool: EXPLAIN | mysql
EXPLAIN FORMAT=JSON INTO @plan SELECT * FROM orders
-- tool: EXPLAIN | mysql
EXPLAIN FOR SCHEMA test SELECT * FROM orders
-- tool: EXPLAIN | both
EXPLAIN UPDATE orders SET status = 'x' WHERE id = 1
-- tool: EXPLAIN | both
EXPLAIN DELETE FROM orders WHERE id = 1
-- tool: EXPLAIN | both
EXPLAIN INSERT INTO orders (id) SELECT id FROM customers
-- tool: EXPLAIN | both
EXPLAIN (SELECT 1) UNION (SELECT 2)
-- tool: EXPLAIN | both
EXPLAIN WITH q AS (SELECT 1 AS a) SELECT * FROM q
-- tool: EXPLAIN | mariadb
EXPLAIN EXTENDED SELECT * FROM orders
-- tool: EXPLAIN | mariadb
EXPLAIN PARTITIONS SELECT * FROM parts
-- tool: EXPLAIN of a connection | both
EXPLAIN FOR CONNECTION 999999999
-- tool: ANALYZE | mariadb
ANALYZE SELECT * FROM orders
-- tool: ANALYZE | mariadb
ANALYZE FORMAT=JSON SELECT * FROM orders WHERE id > 1
-- tool: DESCRIBE | both
DESC orders
-- tool: DESCRIBE | both
DESCRIBE test.orders 'st%'
-- tool: DESCRIBE | both
EXPLAIN orders status
-- tool: SHOW | both
SHOW DATABASES
-- tool: SHOW | both
SHOW SCHEMAS LIKE 't%'
-- tool: SHOW | both
SHOW TABLES FROM test LIKE 'or%'
-- tool: SHOW | both
SHOW FULL TABLES IN test WHERE Table_type <> 'VIEW'
-- tool: SHOW | mysql
SHOW EXTENDED FULL TABLES
-- tool: SHOW | both
SHOW OPEN TABLES FROM test
-- tool: SHOW | both
SHOW TABLE STATUS LIKE 'orders'
-- tool: SHOW | both
SHOW COLUMNS FROM orders
-- tool: SHOW | both
SHOW FULL COLUMNS IN orders IN test WHERE Field = 'id'
-- tool: SHOW | mysql
SHOW EXTENDED COLUMNS FROM orders
-- tool: SHOW | both
SHOW FIELDS FROM test.orders LIKE 'i%'
-- tool: SHOW | both
SHOW INDEX FROM orders
-- tool: SHOW | mysql
SHOW EXTENDED INDEX FROM orders
-- tool: SHOW | both
SHOW KEYS IN orders WHERE Key_name = 'PRIMARY'
-- tool: SHOW | both
SHOW CREATE DATABASE test
-- tool: SHOW | both
SHOW CREATE SCHEMA IF NOT EXISTS test
-- tool: SHOW | both
SHOW CREATE TABLE orders
-- tool: SHOW | both
SHOW CREATE VIEW order_totals
-- tool: SHOW | both
SHOW CREATE FUNCTION nothing
-- tool: SHOW | both
SHOW CREATE PROCEDURE test.nothing
-- tool: SHOW | both
SHOW CREATE TRIGGER nothing
-- tool: SHOW | both
SHOW CREATE EVENT nothing
-- tool: SHOW | both
SHOW CREATE USER CURRENT_USER()
-- tool: SHOW | both
SHOW CREATE USER 'app'@'%'
-- tool: SHOW | mariadb
SHOW CREATE SEQUENCE nothing
-- tool: SHOW | mariadb
SHOW CREATE PACKAGE nothing
-- tool: SHOW | mariadb
SHOW CREATE PACKAGE BODY nothing
-- tool: SHOW | both
SHOW TRIGGERS
-- tool: SHOW | both
SHOW EVENTS FROM test
-- tool: SHOW | both
SHOW PROCEDURE STATUS
-- tool: SHOW | both
SHOW FUNCTION STATUS LIKE 'f%'
-- tool: SHOW | both
SHOW VARIABLES LIKE 'max_conn%'
-- tool: SHOW | both
SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'port')
-- tool: SHOW | both
SHOW SESSION VARIABLES
-- tool: SHOW | both
SHOW LOCAL STATUS LIKE 'Com%'
-- tool: SHOW | both
SHOW GLOBAL STATUS LIKE 'Threads%'
-- tool: SHOW | both
SHOW PROCESSLIST
-- tool: SHOW | both
SHOW FULL PROCESSLIST
-- tool: SHOW | mariadb
SHOW EXPLAIN FOR 999999999
-- tool: SHOW | both
SHOW WARNINGS
-- tool: SHOW | both
SHOW WARNINGS LIMIT 1, 5
-- tool: SHOW | both
SHOW COUNT(*) WARNINGS
-- tool: SHOW | both
SHOW ERRORS LIMIT 1
-- tool: SHOW | both
SHOW COUNT(*) ERRORS
-- tool: SHOW | both
SHOW ENGINES
-- tool: SHOW | both
SHOW STORAGE ENGINES
-- tool: SHOW | both
SHOW ENGINE INNODB STATUS
-- tool: SHOW | both
SHOW ENGINE INNODB MUTEX
-- tool: SHOW | both
SHOW PLUGINS
-- tool: SHOW | mariadb
SHOW PLUGINS SONAME 'auth_pam.so'
-- tool: SHOW | both
SHOW PRIVILEGES
-- tool: SHOW | both
SHOW GRANTS
-- tool: SHOW | both
SHOW GRANTS FOR CURRENT_USER
-- tool: SHOW | both
SHOW GRANTS FOR 'app'@'%'
-- tool: SHOW | both
SHOW CHARACTER SET LIKE 'utf8%'
-- tool: SHOW | both
SHOW COLLATION WHERE Charset = 'latin1'
-- tool: SHOW | both
SHOW BINARY LOGS
-- tool: SHOW | both
SHOW BINLOG EVENTS LIMIT 1
-- tool: SHOW | both
SHOW RELAYLOG EVENTS LIMIT 1
-- tool: SHOW | mariadb
SHOW MASTER STATUS
-- tool: SHOW | mariadb
SHOW BINLOG STATUS
-- tool: SHOW | mariadb
SHOW SLAVE STATUS
-- tool: SHOW | mariadb
SHOW REPLICA STATUS
-- tool: SHOW | mariadb
SHOW ALL REPLICAS STATUS
-- tool: SHOW | mysql
SHOW REPLICAS
-- tool: SHOW | mysql
SHOW REPLICA STATUS FOR CHANNEL ''
-- tool: SHOW | both
SHOW PROFILES
-- tool: SHOW | both
SHOW PROFILE CPU, BLOCK IO FOR QUERY 1
-- tool: SHOW | mariadb
SHOW AUTHORS
-- tool: SHOW | mariadb
SHOW CONTRIBUTORS
-- tool: SHOW | mariadb
SHOW INDEX_STATISTICS
-- tool: DO | both
DO 1
-- tool: DO | both
DO SLEEP(0), RELEASE_LOCK('x')
-- tool: HANDLER | both
HANDLER orders OPEN AS h
-- tool: HANDLER | both
HANDLER h READ FIRST
-- tool: HANDLER | both
HANDLER h READ `PRIMARY` >= (1) WHERE status = 'new' LIMIT 2
-- tool: HANDLER | both
HANDLER h CLOSE
-- tool: CHECKSUM | both
CHECKSUM TABLE orders, test.customers EXTENDED
-- tool: HELP | both
HELP 'SELECT'
-- tool: USE | both
USE test
-- tool: transactions | both
BEGIN
-- tool: transactions | both
BEGIN WORK
-- tool: transactions | both
START TRANSACTION
-- tool: transactions | both
START TRANSACTION READ ONLY
-- tool: transactions | both
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
-- tool: transactions | both
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
-- tool: transactions | both
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
-- tool: transactions | both
COMMIT WORK
-- tool: transactions | both
COMMIT AND NO CHAIN NO RELEASE
-- tool: transactions | both
ROLLBACK WORK
-- tool: transactions | both
SAVEPOINT `s p`
-- tool: transactions | both
ROLLBACK WORK TO SAVEPOINT `s p`
-- tool: transactions | both
RELEASE SAVEPOINT `s p`
-- tool: SET | both
SET @a = 1, @b := 'x', @c = NULL, @d = -1.5
-- tool: SET | both
SET @n = (SELECT COUNT(*) FROM orders)
-- tool: SET | both
SET sql_mode = '', time_zone = '+02:00', autocommit = ON
-- tool: SET | both
SET SESSION group_concat_max_len = 1000000
-- tool: SET | both
SET LOCAL max_join_size = DEFAULT
-- tool: SET | both
SET @@session.sort_buffer_size = 262144, @@local.tmp_table_size = 1048576
-- tool: SET | both
SET @old = @@sql_mode, sql_mode = 'ANSI_QUOTES'
-- tool: SET | both
SET sql_mode = @old
-- tool: SET | both
SET sql_mode = CONCAT(@@sql_mode, ',NO_ZERO_DATE')
-- tool: SET | both
SET NAMES DEFAULT
-- tool: SET | both
SET NAMES latin1
-- tool: SET | both
SET CHARACTER SET utf8mb4
-- tool: SET | both
SET CHARSET DEFAULT
-- tool: SET | both
SET character_set_client = utf8mb4, character_set_results = utf8mb4, collation_connection = utf8mb4_general_ci
-- tool: SET | mysql
SET max_execution_time = 1000
-- tool: SET | mariadb
SET max_statement_time = 1.5
-- tool: SET | both
SET optimizer_switch = 'index_merge=off'
-- tool: SET | both
SET foreign_key_checks = 0, unique_checks = OFF
-- tool: prepared in text | both
PREPARE p FROM 'SELECT id FROM orders WHERE id = ? AND status = ''new'''
-- tool: prepared in text | both
EXECUTE p USING @a
-- tool: prepared in text | both
DEALLOCATE PREPARE p
-- tool: prepared in text | mariadb
EXECUTE IMMEDIATE 'SELECT ? + 1' USING 5
-- tool: LOCK TABLES | both
LOCK TABLES orders READ LOCAL, customers AS c READ
-- tool: LOCK TABLES | both
UNLOCK TABLES
-- tool: diagnostics | both
GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT
-- tool: diagnostics | both
GET DIAGNOSTICS CONDITION 1 @s = RETURNED_SQLSTATE, @m = MESSAGE_TEXT

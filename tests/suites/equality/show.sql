# SHOW of every kind, information_schema, performance_schema, utility and administration that changes nothing for others.
CREATE TABLE st (id INT PRIMARY KEY, v VARCHAR(10), KEY kv (v)) COMMENT 'shown';
INSERT INTO st VALUES (1, 'a'), (2, 'b');
SHOW DATABASES LIKE 'eq_show';
SHOW SCHEMAS WHERE `Database` = 'eq_show';
SHOW TABLES FROM eq_show;
SHOW OPEN TABLES FROM eq_show LIKE 'nothing';
-- mask Avg_row_length,Data_length,Index_length,Data_free,Create_time,Update_time,Rows: time and estimates
SHOW TABLE STATUS LIKE 'st';
-- mask 5,6,7,8,9,10,12,13: time and estimates
SHOW TABLE STATUS FROM eq_show WHERE Name = 'st';
SHOW CREATE TABLE st;
SHOW CREATE SCHEMA eq_show;
SHOW CREATE DATABASE IF NOT EXISTS eq_show;
SHOW INDEXES FROM st WHERE Key_name = 'nothing';
-- mask Cardinality: the optimizer's estimate
-- only mysql
SHOW EXTENDED INDEX FROM st;
SHOW ENGINES;
SHOW STORAGE ENGINES;
SHOW PRIVILEGES;
SHOW GRANTS;
SHOW GRANTS FOR CURRENT_USER();
SHOW GRANTS FOR CURRENT_USER;
-- error 1044 1142
SHOW GRANTS FOR root@localhost;
-- mask *rows: threads differ
SHOW PROCESSLIST;
-- mask *rows: threads differ
SHOW FULL PROCESSLIST;
-- error 1227 1064
SHOW MASTER STATUS;
-- error 1227
SHOW BINARY LOGS;
-- error 1227
SHOW REPLICA STATUS;
-- error 1227 1064
SHOW SLAVE STATUS;
SHOW PLUGINS;
SHOW STATUS LIKE 'no_such_status';
-- mask Value: a counter of the connection
SHOW STATUS LIKE 'Com_select';
-- mask Value: a counter of the connection
SHOW SESSION STATUS LIKE 'Handler_read_first';
-- mask Value: a counter of the server
SHOW GLOBAL STATUS LIKE 'Uptime';
-- mask Value: a counter of the server
SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Questions');
SHOW STATUS LIKE 'Ssl_cipher';
SHOW SESSION STATUS LIKE 'Compression';
SHOW VARIABLES LIKE 'version%';
SHOW VARIABLES LIKE 'have_%';
SHOW VARIABLES LIKE 'max_connections';
SHOW VARIABLES LIKE 'binlog_format';
SHOW VARIABLES LIKE 'read_only';
SHOW VARIABLES LIKE 'super_read_only';
SHOW VARIABLES LIKE 'innodb_lock%';
SHOW VARIABLES LIKE 'sql%';
SHOW VARIABLES LIKE 'tx%';
SHOW VARIABLES LIKE 'transaction%';
SHOW VARIABLES LIKE 'auto%';
SHOW VARIABLES LIKE 'time_zone';
SHOW VARIABLES LIKE 'system_time_zone';
SHOW VARIABLES LIKE 'license';
SHOW VARIABLES WHERE Variable_name = 'lower_case_file_system' OR Variable_name = 'init_connect';
-- mask *rows: server ids, ports, paths and logs differ; the number of variables is compared elsewhere
SHOW VARIABLES;
-- mask *rows: server ids, ports and paths differ
SHOW GLOBAL VARIABLES;
SHOW PROFILES;
SHOW PROFILE;
SHOW COUNT(*) WARNINGS;
-- error 1347
SHOW CREATE VIEW st;
-- error 1305
SHOW CREATE PROCEDURE nothing;
-- error 1305
SHOW CREATE FUNCTION nothing;
-- error 1360
SHOW CREATE TRIGGER nothing;
-- error 1539
SHOW CREATE EVENT nothing;
-- only mariadb
SHOW CREATE USER;
-- error 1146
SHOW CREATE TABLE nothing;
-- error 1146
SHOW COLUMNS FROM nothing;
-- error 1146
SHOW INDEX FROM nothing;
-- error@mariadb 1044
-- error@mysql 1049 1044
SHOW TABLES FROM nothing;
-- error 1289
SHOW PROCEDURE CODE nothing;
SHOW FUNCTION STATUS WHERE Db = 'eq_show';
-- mask *metadata: MySQL names the origin by its plan
SHOW EVENTS FROM eq_show;
SHOW TRIGGERS FROM eq_show;
-- error 1064
SHOW NOTHING;
-- mask *message: the words of an internal error
-- error 1227
SHOW RELAYLOG EVENTS;
-- error 1227
SHOW BINLOG EVENTS LIMIT 1;
-- error 1227
SHOW ENGINE INNODB STATUS;
-- error 1227
SHOW ENGINE INNODB MUTEX;
-- error 1227
SHOW ENGINE PERFORMANCE_SCHEMA STATUS;
-- only mysql
SHOW EXTENDED COLUMNS FROM st;
-- only mysql
-- error 1227
SHOW BINARY LOG STATUS;
-- only mysql
-- error 1227
SHOW REPLICAS;
-- only mysql
-- error 1064
SHOW PARSE_TREE SELECT 1;
-- flavor mariadb
SHOW AUTHORS;
SHOW CONTRIBUTORS;
SHOW CLIENT_STATISTICS;
SHOW INDEX_STATISTICS;
SHOW PLUGINS SONAME LIKE 'nothing%';
SHOW PACKAGE STATUS;
-- error@mariadb 1227
SHOW ALL SLAVES STATUS;
-- error@mariadb 1227
SHOW SLAVE HOSTS;
-- error@mariadb 1094
SHOW EXPLAIN FOR 999999;
-- error@mariadb 1094
SHOW ANALYZE FOR 999999;
-- error@mariadb 4089
SHOW CREATE SEQUENCE st;
-- flavor any
ANALYZE TABLE st;
-- only mysql
ANALYZE TABLE st UPDATE HISTOGRAM ON v WITH 4 BUCKETS;
-- only mysql
ANALYZE TABLE st DROP HISTOGRAM ON v;
-- only mariadb
ANALYZE TABLE st PERSISTENT FOR ALL;
CHECK TABLE st;
CHECK TABLE st QUICK FAST MEDIUM EXTENDED CHANGED;
CHECK TABLE st FOR UPGRADE;
CHECK TABLE nothing;
CHECKSUM TABLE st;
CHECKSUM TABLE st, nothing EXTENDED;
CHECKSUM TABLE st QUICK;
OPTIMIZE TABLE st;
-- error@mysql 1227
OPTIMIZE NO_WRITE_TO_BINLOG TABLE st;
REPAIR TABLE st;
REPAIR LOCAL TABLE st QUICK;
-- error 1227
FLUSH TABLES st;
-- error 1227
FLUSH STATUS;
-- error 1227
FLUSH PRIVILEGES;
-- error 1227
FLUSH LOGS;
CACHE INDEX st IN default;
LOAD INDEX INTO CACHE st;
HELP 'nothing at all like this';
HELP 'SELECT';
SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'eq_show';
SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE();
SELECT COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, COLUMN_TYPE, COLUMN_KEY, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'st' ORDER BY ORDINAL_POSITION;
SELECT INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2;
SELECT CONSTRAINT_NAME, CONSTRAINT_TYPE FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE();
SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE();
SELECT * FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE();
SELECT CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME, MAXLEN FROM information_schema.CHARACTER_SETS ORDER BY 1;
SELECT COUNT(*) > 50 FROM information_schema.COLLATIONS;
SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE COLLATION_NAME = 'utf8mb4_bin';
SELECT ENGINE, SUPPORT FROM information_schema.ENGINES WHERE ENGINE = 'InnoDB';
SELECT * FROM information_schema.USER_PRIVILEGES;
SELECT * FROM information_schema.SCHEMA_PRIVILEGES ORDER BY TABLE_SCHEMA, PRIVILEGE_TYPE;
SELECT * FROM information_schema.TABLE_PRIVILEGES;
SELECT * FROM information_schema.COLUMN_PRIVILEGES;
SELECT PLUGIN_NAME, PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'InnoDB';
SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID();
SELECT USER, DB, COMMAND FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID();
SELECT * FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE();
SELECT * FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE();
SELECT * FROM information_schema.OPTIMIZER_TRACE;
SELECT * FROM information_schema.PROFILING;
-- error 1054
SELECT KEYWORD FROM information_schema.KEYWORDS WHERE KEYWORD IN ('SELECT', 'SEQUENCE') ORDER BY 1;
-- error 1109
SELECT * FROM information_schema.nothing;
-- error 1044
CREATE TABLE information_schema.mine (id INT);
-- error 1227
SELECT COUNT(*) FROM information_schema.INNODB_TRX;
-- only mysql
SELECT VARIABLE_VALUE FROM performance_schema.session_variables WHERE VARIABLE_NAME = 'sql_mode';
-- only mysql
SELECT VARIABLE_NAME FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Com_select';
-- only mysql
SELECT * FROM information_schema.ST_GEOMETRY_COLUMNS WHERE TABLE_SCHEMA = DATABASE();
-- only mysql
SELECT WORD FROM information_schema.KEYWORDS WHERE WORD IN ('SELECT', 'WINDOW') ORDER BY 1;
-- only mysql
SELECT * FROM information_schema.ENABLED_ROLES;
-- only mysql
-- error 1370
SELECT sys.version_major() IS NOT NULL;
-- only mariadb
SELECT VARIABLE_VALUE FROM information_schema.SESSION_VARIABLES WHERE VARIABLE_NAME = 'SQL_MODE';
-- only mariadb
SELECT VARIABLE_NAME FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME';
-- only mariadb
SELECT VARIABLE_NAME, VARIABLE_SCOPE, SESSION_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'AUTOCOMMIT';
-- only mariadb
SELECT * FROM information_schema.APPLICABLE_ROLES;
SELECT @@read_only, @@global.read_only;
SELECT @@server_id;
SELECT @@port = @@port, @@datadir = @@datadir, @@hostname = @@hostname;
SELECT @@log_bin, @@version_comment, @@license, @@max_allowed_packet, @@interactive_timeout;
-- error@mariadb 1193
SELECT @@gtid_executed IS NULL;
-- only mysql
SELECT @@server_uuid = @@server_uuid, @@gtid_mode, @@super_read_only;
-- only mariadb
SELECT @@gtid_domain_id, @@gtid_strict_mode, @@last_gtid IS NULL;
-- error 1094
KILL QUERY 999999999;
-- error 1094
KILL 999999999;
-- error 1094
KILL CONNECTION 999999999;
-- error 1317
KILL QUERY CONNECTION_ID();
-- only mariadb
-- error 1957
KILL SOFT QUERY ID 999999999;
-- error 1227
SHUTDOWN;
-- error@mariadb 1227
-- error@mysql 1064
RESET MASTER;
-- error 1227
PURGE BINARY LOGS BEFORE '2000-01-01 00:00:00';
-- error@mariadb 1227
-- error@mysql 1064
CHANGE MASTER TO MASTER_HOST = 'x';
-- error@mariadb 1227
-- error@mysql 1064
START SLAVE;
-- error 1227
STOP REPLICA;
-- error 1227
BINLOG 'nonsense';
-- error 1227
SET GLOBAL read_only = 1;
-- error 1227
CREATE USER nobody_here;
-- error 1227
DROP USER nobody_here;
-- error 1227
CREATE ROLE nobody_role;
-- error 1045
GRANT SELECT ON *.* TO app@'%';
-- error 1227
SET GLOBAL sql_mode = '';
-- error@mariadb 1064
-- error@mysql 1227
CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd';
-- error 1227
CREATE SERVER sv FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x');
-- error 1227
DROP SERVER IF EXISTS sv;
-- error@mariadb 1064
-- error@mysql 1227
CREATE LOGFILE GROUP lg ADD UNDOFILE 'u' ENGINE NDB;
-- error@mariadb 1064
-- error@mysql 1227
ALTER INSTANCE ROTATE INNODB MASTER KEY;
-- error@mariadb 1064
-- error@mysql 1227
RESTART;
-- error@mariadb 1064
-- error@mysql 1227
CLONE LOCAL DATA DIRECTORY = '/nothing';
-- error@mariadb 1064
-- error@mysql 1227
CREATE RESOURCE GROUP rg TYPE = USER;
-- error@mariadb 1064
-- error@mysql 1227
SET RESOURCE GROUP rg;
-- error@mariadb 1064
-- error@mysql 6427
CREATE SPATIAL REFERENCE SYSTEM IF NOT EXISTS 4326 NAME 'x' DEFINITION 'y';
DROP TABLE st;

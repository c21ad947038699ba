-- alone
# What touches the whole server: globals, flushes, replication commands on a primary, kill, servers, tablespaces.
-- session a super
USE eq_server;
CREATE TABLE g (id INT PRIMARY KEY, v INT);
INSERT INTO g VALUES (1, 1);
SET @old_wait = @@global.wait_timeout;
SET GLOBAL wait_timeout = 12345;
-- mask 2: a session that moves to a younger connection gets the global values of when that was opened
SELECT @@global.wait_timeout, @@session.wait_timeout;
SHOW GLOBAL VARIABLES LIKE 'wait_timeout';
SET GLOBAL wait_timeout = @old_wait;
SET @@global.max_error_count = 33;
-- mask 2: a session that moves to a younger connection gets the global values of when that was opened
SELECT @@global.max_error_count, @@session.max_error_count;
-- session new super
-- mask *values: a pooled connection has the global values of when it was opened
SELECT @@max_error_count;
-- session a
SET GLOBAL max_error_count = DEFAULT;
SET GLOBAL general_log = @@global.general_log;
-- only mysql
SET PERSIST sort_buffer_size = 262144;
-- only mysql
RESET PERSIST sort_buffer_size;
-- only mysql
SELECT VARIABLE_NAME FROM performance_schema.persisted_variables;
FLUSH TABLES;
FLUSH TABLES WITH READ LOCK;
SELECT COUNT(*) FROM g;
-- error 1223
INSERT INTO g VALUES (2, 2);
UNLOCK TABLES;
INSERT INTO g VALUES (2, 2);
FLUSH TABLES g WITH READ LOCK;
SELECT COUNT(*) FROM g;
-- error 1099
INSERT INTO g VALUES (3, 3);
UNLOCK TABLES;
FLUSH TABLES g FOR EXPORT;
UNLOCK TABLES;
FLUSH LOCAL TABLES;
FLUSH NO_WRITE_TO_BINLOG STATUS;
FLUSH STATUS;
FLUSH LOGS;
FLUSH BINARY LOGS;
FLUSH ENGINE LOGS;
FLUSH ERROR LOGS;
FLUSH GENERAL LOGS;
FLUSH SLOW LOGS;
FLUSH RELAY LOGS;
-- only mariadb
FLUSH HOSTS;
-- only mysql
FLUSH OPTIMIZER_COSTS;
-- only mariadb
FLUSH QUERY CACHE;
-- only mariadb
FLUSH TABLE_STATISTICS, USER_STATISTICS;
-- mask File,Position,Executed_Gtid_Set,Binlog_Do_DB: positions of a log
-- only mariadb
SHOW MASTER STATUS;
-- mask *values: positions of a log
SHOW BINARY LOGS;
-- mask *values: positions of a log
SHOW BINLOG EVENTS LIMIT 1;
-- only mysql
-- mask *values: positions of a log
SHOW BINARY LOG STATUS;
-- only mariadb
SHOW SLAVE STATUS;
-- only mysql
SHOW REPLICA STATUS;
-- only mariadb
SHOW ALL SLAVES STATUS;
-- mask *rows: replicas are there on one side only
-- only mariadb
SHOW SLAVE HOSTS;
-- mask Status: times and counters
SHOW ENGINE INNODB STATUS;
-- mask *rows: counters
SHOW ENGINE PERFORMANCE_SCHEMA STATUS;
-- mask *rows: threads
SHOW PROCESSLIST;
-- mask *values: transactions of the server's own threads
SELECT COUNT(*) FROM information_schema.INNODB_TRX;
-- error 1094
KILL 999999999;
-- error 1094
KILL QUERY 999999999;
CREATE SERVER eq_s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', DATABASE 'x', USER 'u', PASSWORD 'p', PORT 3306);
ALTER SERVER eq_s OPTIONS (USER 'other');
SELECT Server_name, Host, Username FROM mysql.servers;
-- error 1476
CREATE SERVER eq_s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x');
DROP SERVER eq_s;
-- error 1477
DROP SERVER eq_s;
DROP SERVER IF EXISTS eq_s;
-- only mysql
CREATE TABLESPACE eq_ts ADD DATAFILE 'eq_ts.ibd' ENGINE=InnoDB;
-- only mysql
CREATE TABLE in_ts (id INT) TABLESPACE eq_ts;
-- only mysql
INSERT INTO in_ts VALUES (1);
-- only mysql
SELECT * FROM in_ts;
-- only mysql
DROP TABLE in_ts;
-- only mysql
DROP TABLESPACE eq_ts;
-- only mysql
ALTER INSTANCE RELOAD TLS;
-- only mysql
-- error 4035
ALTER INSTANCE RELOAD KEYRING;
-- only mysql
CREATE RESOURCE GROUP eq_rg TYPE = USER VCPU = 0 THREAD_PRIORITY = 5;
-- only mysql
SET RESOURCE GROUP eq_rg;
-- only mysql
DROP RESOURCE GROUP eq_rg FORCE;
-- only mysql
CREATE SPATIAL REFERENCE SYSTEM 900001 NAME 'eq flat' DEFINITION 'PROJCS["eq flat",GEOGCS["WGS 84",DATUM["World Geodetic System 1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]],PROJECTION["Popular Visualisation Pseudo Mercator"],UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]';
-- only mysql
SELECT SRS_NAME FROM information_schema.ST_SPATIAL_REFERENCE_SYSTEMS WHERE SRS_ID = 900001;
-- only mysql
DROP SPATIAL REFERENCE SYSTEM IF EXISTS 900001;
ALTER TABLE g DISCARD TABLESPACE;
-- error 1814
SELECT * FROM g;
DROP TABLE g;
SELECT @@global.read_only, @@read_only;
SELECT @@server_id;
-- error@mariadb 1290
-- error@mysql 1
SELECT 1 INTO OUTFILE '/nothing/here';
SELECT LOAD_FILE('/nothing/here');
PURGE BINARY LOGS BEFORE '2000-01-01 00:00:00';
-- error 1149
BINLOG 'bm90aGluZw==';
SHOW RELAYLOG EVENTS;
-- error@mariadb 1200
-- error@mysql 1064
START SLAVE;
-- only mariadb
STOP SLAVE;
-- only mysql
CHANGE REPLICATION FILTER REPLICATE_DO_DB = (x);
-- only mariadb
SHOW RELAYLOG EVENTS;
SHOW GRANTS;
SHOW GRANTS FOR monitor@'%';
SET SESSION sql_log_bin = 0;
SELECT @@sql_log_bin;
CREATE TEMPORARY TABLE not_logged (id INT);
DROP TEMPORARY TABLE not_logged;
SET SESSION sql_log_bin = 1;
SET SESSION binlog_format = 'STATEMENT';
SELECT @@binlog_format;
SET SESSION binlog_format = 'ROW';
SET SESSION binlog_row_image = 'MINIMAL';
SET SESSION binlog_row_image = DEFAULT;
SET SESSION pseudo_thread_id = 77;
SELECT @@pseudo_thread_id;
-- only mysql
SET SESSION gtid_next = 'AUTOMATIC';
-- only mysql
SET SESSION session_track_gtids = 'OWN_GTID';
-- only mysql
SELECT @@session_track_gtids;
-- only mysql
SET SESSION session_track_gtids = DEFAULT;
-- only mariadb
SET SESSION gtid_domain_id = 0, SESSION server_id = 1;
-- only mariadb
SET gtid_seq_no = 0;
SET SESSION session_track_schema = 0;
-- mask *values: the proxy tracks what it needs, whatever the client asks for
SELECT @@session_track_schema;
SET SESSION session_track_system_variables = 'autocommit';
-- mask *values: the proxy tracks what it needs, whatever the client asks for
-- mask *metadata: the length follows from the value
SELECT @@session_track_system_variables;
SET SESSION session_track_state_change = ON;
SELECT @@session_track_state_change;

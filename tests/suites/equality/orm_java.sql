# What Hibernate, Connector/J, MariaDB Connector/J, HikariCP and DBeaver send.
/* mysql-connector-j */SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout;
SET NAMES utf8mb4;
SET character_set_results = NULL;
SET autocommit=1;
-- error@mariadb 1193
SELECT @@session.transaction_read_only IS NULL;
-- only mysql
select @@session.transaction_isolation, @@session.transaction_read_only;
-- only mariadb
select @@session.tx_isolation, @@session.tx_read_only;
/* ping */ SELECT 1;
/* ping */
SET SESSION TRANSACTION READ ONLY;
SET SESSION TRANSACTION READ WRITE;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
set session sql_mode=concat(@@sql_mode,',STRICT_TRANS_TABLES'), autocommit=1, session_track_schema=1;
SET sql_mode='STRICT_TRANS_TABLES';
SELECT TABLE_SCHEMA AS TABLE_CAT, NULL AS TABLE_SCHEM, TABLE_NAME, CASE WHEN TABLE_TYPE='BASE TABLE' THEN 'TABLE' ELSE TABLE_TYPE END AS TABLE_TYPE, TABLE_COMMENT AS REMARKS FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'eq_orm_java' ORDER BY TABLE_TYPE, TABLE_SCHEMA, TABLE_NAME;
SHOW FULL TABLES FROM `eq_orm_java` LIKE '%';
SHOW CHARACTER SET WHERE Charset = 'utf8mb4';
create table hibernate_sequence (next_val bigint) engine=InnoDB;
insert into hibernate_sequence values ( 1 );
create table customer (id bigint not null, created datetime(6), email varchar(255), version integer not null, vip bit not null, primary key (id)) engine=InnoDB;
create table orders (id bigint not null auto_increment, amount decimal(19,2), status varchar(20), customer_id bigint, primary key (id)) engine=InnoDB;
alter table customer add constraint UK_email unique (email);
alter table orders add constraint FK_customer foreign key (customer_id) references customer (id);
SET autocommit=0;
select next_val as id_val from hibernate_sequence for update;
update hibernate_sequence set next_val= 2 where next_val=1;
COMMIT;
SET autocommit=1;
SET autocommit=0;
-- params '2024-01-01 10:00:00', 'ann@example.com', 0, 1, 1
-- params '2024-01-02 10:00:00', 'bob@example.com', 0, 0, 2
insert into customer (created,email,version,vip,id) values (?,?,?,?,?);
-- params '10.50', 'NEW', 1
-- params '99.99', 'PAID', 1
-- params '5', 'NEW', 2
insert into orders (amount,status,customer_id) values (?,?,?);
COMMIT;
SET autocommit=1;
-- params 1
-- params 2
-- params 3
select c1_0.id,c1_0.created,c1_0.email,c1_0.version,c1_0.vip from customer c1_0 where c1_0.id=?;
-- params 1
select o1_0.customer_id,o1_0.id,o1_0.amount,o1_0.status from orders o1_0 where o1_0.customer_id=? order by o1_0.id;
-- params 'NEW'
select o1_0.id,o1_0.amount,c1_0.id,c1_0.email from orders o1_0 left join customer c1_0 on c1_0.id=o1_0.customer_id where o1_0.status=? order by o1_0.id desc limit 10;
-- params 'ann@example.com', 1, 1, 0
-- params 'ann@example.com', 1, 1, 0
update customer set email=?,version=? where id=? and version=?;
SET autocommit=0;
-- params 1
select c1_0.id,c1_0.version from customer c1_0 where c1_0.id=? for update;
-- params 1
select c1_0.id,c1_0.version from customer c1_0 where c1_0.id=? lock in share mode;
ROLLBACK;
SET autocommit=1;
select count(o1_0.id) from orders o1_0;
select sum(o1_0.amount),o1_0.status from orders o1_0 group by o1_0.status order by 2;
-- params 0, 2
select o1_0.id from orders o1_0 order by o1_0.id limit ?,?;
-- error 1451
-- params 1
delete from customer where id=?;
-- params 1
-- params 2
-- params 3
delete from orders where id=?;
-- error 1062
-- params '2024-01-02 10:00:00', 'bob@example.com', 0, 0, 3
insert into customer (created,email,version,vip,id) values (?,?,?,?,?);
SET SESSION TRANSACTION READ ONLY;
SET autocommit=0;
select count(*) from customer;
-- error 1792
-- mask *warnings: a replica, where the transaction runs if it has what was written, remembers that it is read-only
update customer set version = 9;
COMMIT;
SET autocommit=1;
SET SESSION TRANSACTION READ WRITE;
-- command cursor 1 select id, email from customer order by id
SELECT LAST_INSERT_ID();
SHOW WARNINGS;
INSERT INTO orders (amount, status) VALUES (1, 'A'), (2, 'B');
SELECT @@identity, LAST_INSERT_ID();
-- error 1094
KILL QUERY 0;
SET SQL_SELECT_LIMIT=1;
SELECT id FROM orders ORDER BY id;
SET SQL_SELECT_LIMIT=DEFAULT;
SHOW CREATE TABLE `eq_orm_java`.`orders`;
SHOW KEYS FROM `hibernate_sequence`;
DELIMITER //
INSERT INTO orders (amount) VALUES (1);INSERT INTO orders (amount) VALUES (2);INSERT INTO orders (amount) VALUES (3)//
DELIMITER ;
INSERT INTO orders (amount) VALUES (10),(20),(30);
SELECT COUNT(*) FROM orders;
# DBeaver: start-up and navigation.
-- session dbeaver
SET SESSION wait_timeout=28800;
SET CHARACTER SET utf8mb4;
SELECT DATABASE(), USER();
SELECT @@GLOBAL.character_set_server, @@GLOBAL.collation_server;
SHOW GLOBAL VARIABLES LIKE 'lower_case_table_names';
SHOW ENGINES;
SHOW CHARSET;
SHOW COLLATION LIKE 'utf8mb4%';
SHOW PLUGINS;
SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'eq_orm_java';
SHOW DATABASES LIKE 'eq\_orm\_java';
SHOW FULL TABLES FROM `eq_orm_java`;
-- mask Avg_row_length,Data_length,Index_length,Data_free,Create_time,Update_time,Rows: time and estimates
SHOW TABLE STATUS FROM `eq_orm_java`;
SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='eq_orm_java' AND TABLE_NAME='orders' ORDER BY ORDINAL_POSITION;
SELECT kc.CONSTRAINT_NAME,kc.TABLE_NAME,kc.COLUMN_NAME,kc.ORDINAL_POSITION FROM information_schema.KEY_COLUMN_USAGE kc WHERE kc.TABLE_SCHEMA='eq_orm_java' AND kc.REFERENCED_TABLE_NAME IS NULL AND kc.TABLE_NAME='orders' ORDER BY kc.CONSTRAINT_NAME,kc.ORDINAL_POSITION;
SELECT cc.CONSTRAINT_NAME, cc.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS cc WHERE cc.CONSTRAINT_SCHEMA='eq_orm_java';
SELECT * FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='eq_orm_java' ORDER BY ROUTINE_NAME;
SELECT * FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='eq_orm_java';
SELECT * FROM information_schema.EVENTS WHERE EVENT_SCHEMA='eq_orm_java';
-- mask Cardinality,CARDINALITY: the optimizer's estimate
SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='eq_orm_java' AND TABLE_NAME='orders' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX;
SHOW PRIVILEGES;
SHOW GRANTS FOR CURRENT_USER;
SET SESSION TRANSACTION READ ONLY;
SELECT x.* FROM eq_orm_java.orders x ORDER BY x.id LIMIT 0, 200;
SET SESSION TRANSACTION READ WRITE;
-- mask *rows: threads
SHOW FULL PROCESSLIST;
-- mask *rows: counters
SHOW GLOBAL STATUS;
-- mask *rows: counters
SHOW STATUS;
EXPLAIN SELECT * FROM eq_orm_java.customer WHERE id = 1;
SELECT COUNT(*) FROM eq_orm_java.orders;
UPDATE eq_orm_java.orders SET amount=5 WHERE id=1000;
DROP TABLE orders, customer, hibernate_sequence;

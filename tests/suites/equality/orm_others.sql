# What Rails, Laravel, GORM, Prisma, Knex, WordPress and phpMyAdmin send.
# Rails: configure_connection, schema, Active Record.
SET NAMES utf8mb4,  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'),  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483;
SELECT @@sql_mode, @@wait_timeout;
SELECT VERSION();
SELECT DATABASE() as db;
SHOW VARIABLES LIKE 'sql_mode';
CREATE TABLE `schema_migrations` (`version` varchar(255) NOT NULL PRIMARY KEY);
CREATE TABLE `ar_internal_metadata` (`key` varchar(255) NOT NULL PRIMARY KEY, `value` varchar(255), `created_at` datetime(6) NOT NULL, `updated_at` datetime(6) NOT NULL);
SELECT `ar_internal_metadata`.* FROM `ar_internal_metadata` WHERE `ar_internal_metadata`.`key` = 'environment' ORDER BY `ar_internal_metadata`.`key` ASC LIMIT 1;
INSERT INTO `ar_internal_metadata` (`key`, `value`, `created_at`, `updated_at`) VALUES ('environment', 'test', '2024-01-01 00:00:00', '2024-01-01 00:00:00');
SELECT GET_LOCK('rails_migration_1', 0);
SELECT `schema_migrations`.`version` FROM `schema_migrations` ORDER BY `schema_migrations`.`version` ASC;
CREATE TABLE `articles` (`id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, `title` varchar(255), `body` text, `likes` int DEFAULT 0 NOT NULL, `created_at` datetime(6) NOT NULL, `updated_at` datetime(6) NOT NULL);
CREATE INDEX `index_articles_on_title` ON `articles` (`title`);
INSERT INTO `schema_migrations` (`version`) VALUES ('20240101000000');
SELECT RELEASE_LOCK('rails_migration_1');
SHOW FULL FIELDS FROM `articles`;
SELECT column_name FROM information_schema.statistics WHERE index_name = 'PRIMARY' AND table_schema = database() AND table_name = 'articles' ORDER BY seq_in_index;
SELECT table_comment FROM information_schema.tables WHERE table_schema = database() AND table_name = 'articles';
-- mask Cardinality: the optimizer's estimate
SHOW KEYS FROM `articles`;
BEGIN;
INSERT INTO `articles` (`title`, `body`, `likes`, `created_at`, `updated_at`) VALUES ('Hello', 'World', 0, '2024-01-01 00:00:00.123456', '2024-01-01 00:00:00.123456');
COMMIT;
SELECT `articles`.* FROM `articles` WHERE `articles`.`id` = 1 LIMIT 1;
SELECT `articles`.* FROM `articles` ORDER BY `articles`.`id` ASC LIMIT 1000;
SELECT 1 AS one FROM `articles` WHERE `articles`.`title` = 'Hello' LIMIT 1;
SELECT COUNT(*) FROM `articles`;
BEGIN;
UPDATE `articles` SET `articles`.`title` = 'Bye', `articles`.`updated_at` = '2024-01-02 00:00:00' WHERE `articles`.`id` = 1;
SAVEPOINT active_record_1;
UPDATE `articles` SET `articles`.`likes` = COALESCE(`articles`.`likes`, 0) + 1 WHERE `articles`.`id` = 1;
RELEASE SAVEPOINT active_record_1;
ROLLBACK;
SELECT `articles`.`title`, `articles`.`likes` FROM `articles` WHERE `articles`.`id` = 1;
INSERT INTO `articles` (`title`,`created_at`,`updated_at`) VALUES ('a', CURRENT_TIMESTAMP(6), CURRENT_TIMESTAMP(6)), ('b', CURRENT_TIMESTAMP(6), CURRENT_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE `id`=`id`;
SELECT `articles`.`title` FROM `articles` WHERE `articles`.`title` IN ('a', 'b') ORDER BY `articles`.`title` DESC;
-- params 1, 1
SELECT `articles`.`id`, `articles`.`title` FROM `articles` WHERE `articles`.`id` = ? LIMIT ?;
DELETE FROM `articles` WHERE `articles`.`title` = 'b';
SELECT `articles`.* FROM `articles` WHERE `articles`.`id` = 1 LIMIT 1 FOR UPDATE;
DROP TABLE `articles`, `schema_migrations`, `ar_internal_metadata`;
# Laravel: PDO start, migrations, Eloquent, queue, cache.
-- session laravel
use `eq_orm_others`;
set names 'utf8mb4' collate 'utf8mb4_unicode_ci', session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
select exists (select 1 from information_schema.tables where table_schema = schema() and table_name = 'migrations' and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')) as `exists`;
create table `migrations` (`id` int unsigned not null auto_increment primary key, `migration` varchar(255) not null, `batch` int not null) default character set utf8mb4 collate 'utf8mb4_unicode_ci';
select `migration` from `migrations` order by `batch` asc, `migration` asc;
select max(`batch`) as aggregate from `migrations`;
create table `users` (`id` bigint unsigned not null auto_increment primary key, `name` varchar(255) not null, `email` varchar(255) not null, `email_verified_at` timestamp null, `password` varchar(255) not null, `remember_token` varchar(100) null, `created_at` timestamp null, `updated_at` timestamp null) default character set utf8mb4 collate 'utf8mb4_unicode_ci';
alter table `users` add unique `users_email_unique`(`email`);
create table `jobs` (`id` bigint unsigned not null auto_increment primary key, `queue` varchar(255) not null, `payload` longtext not null, `attempts` tinyint unsigned not null, `reserved_at` int unsigned null, `available_at` int unsigned not null, `created_at` int unsigned not null);
alter table `jobs` add index `jobs_queue_index`(`queue`);
create table `cache` (`key` varchar(255) not null primary key, `value` mediumtext not null, `expiration` int not null);
-- params 'create_users', 1
insert into `migrations` (`migration`, `batch`) values (?, ?);
-- params 'Ann', 'ann@example.com', 'hash', '2024-01-01 00:00:00', '2024-01-01 00:00:00'
-- params 'Bob', 'bob@example.com', 'hash', NULL, NULL
insert into `users` (`name`, `email`, `password`, `created_at`, `updated_at`) values (?, ?, ?, ?, ?);
-- params 1
select * from `users` where `users`.`id` = ? limit 1;
-- params 'ann@example.com'
select exists(select * from `users` where `email` = ?) as `exists`;
-- params 'Anna', '2024-02-02 00:00:00', 1
update `users` set `name` = ?, `users`.`updated_at` = ? where `id` = ?;
select * from `users` where `email_verified_at` is null order by `id` desc limit 15 offset 0;
select count(*) as aggregate from `users`;
insert into `cache` (`expiration`, `key`, `value`) values (1900000000, 'k1', 'v1') on duplicate key update `expiration` = values(`expiration`), `value` = values(`value`);
insert into `cache` (`expiration`, `key`, `value`) values (1900000001, 'k1', 'v2') on duplicate key update `expiration` = values(`expiration`), `value` = values(`value`);
select * from `cache` where `key` in ('k1', 'k2') order by `key`;
START TRANSACTION;
insert into `jobs` (`queue`, `attempts`, `reserved_at`, `available_at`, `created_at`, `payload`) values ('default', 0, null, 1700000000, 1700000000, '{}');
COMMIT;
START TRANSACTION;
select * from `jobs` where `queue` = 'default' and ((`reserved_at` is null and `available_at` <= 1800000000) or (`reserved_at` <= 1700000000)) order by `id` asc limit 1 for update skip locked;
update `jobs` set `reserved_at` = 1800000000, `attempts` = 1 where `id` = 1;
COMMIT;
delete from `jobs` where `id` = 1;
insert ignore into `users` (`email`, `name`, `password`) values ('ann@example.com', 'x', 'y');
-- error 1062
insert into `users` (`email`, `name`, `password`) values ('ann@example.com', 'x', 'y');
select `u`.`name`, (select count(*) from `jobs`) as `jobs_count` from `users` as `u` where `u`.`id` in (1, 2) order by `u`.`id`;
drop table if exists `cache`, `jobs`, `users`, `migrations`, `failed_jobs`;
# GORM: prepared statements for nearly all.
-- session gorm
SELECT VERSION();
SELECT DATABASE();
-- params 'eq_orm_others%', 'eq_orm_others'
SELECT SCHEMA_NAME from Information_schema.SCHEMATA where SCHEMA_NAME LIKE ? ORDER BY SCHEMA_NAME=? DESC,SCHEMA_NAME limit 1;
-- params 'eq_orm_others', 'products', 'BASE TABLE'
SELECT count(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ? AND table_type = ?;
CREATE TABLE `products` (`id` bigint unsigned AUTO_INCREMENT,`created_at` datetime(3) NULL,`updated_at` datetime(3) NULL,`deleted_at` datetime(3) NULL,`code` longtext,`price` bigint unsigned,PRIMARY KEY (`id`),INDEX `idx_products_deleted_at` (`deleted_at`));
START TRANSACTION;
-- params '2024-01-01 00:00:00.123', '2024-01-01 00:00:00.123', NULL, 'D42', 100
-- params '2024-01-01 00:00:00.456', '2024-01-01 00:00:00.456', NULL, 'E43', 200
INSERT INTO `products` (`created_at`,`updated_at`,`deleted_at`,`code`,`price`) VALUES (?,?,?,?,?);
COMMIT;
-- params 1, 1
SELECT * FROM `products` WHERE `products`.`id` = ? AND `products`.`deleted_at` IS NULL ORDER BY `products`.`id` LIMIT ?;
-- params 'D42', 1
SELECT * FROM `products` WHERE code = ? AND `products`.`deleted_at` IS NULL ORDER BY `products`.`id` LIMIT ?;
-- params 200, '2024-01-02 00:00:00.000', 1
UPDATE `products` SET `price`=?,`updated_at`=? WHERE `products`.`deleted_at` IS NULL AND `id` = ?;
-- params '2024-01-03 00:00:00.000', 2
UPDATE `products` SET `deleted_at`=? WHERE `products`.`id` = ? AND `products`.`deleted_at` IS NULL;
SELECT count(*) FROM `products` WHERE `products`.`deleted_at` IS NULL;
SELECT * FROM `products` ORDER BY id;
-- params 'D42'
SELECT * FROM `products` WHERE `products`.`code` = ? FOR UPDATE;
SAVEPOINT sp1;
-- params 'eq_orm_others', 'products'
SELECT column_name, column_default, is_nullable = 'YES', data_type, character_maximum_length, column_type, column_key, extra, column_comment, numeric_precision, numeric_scale, datetime_precision FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ORDINAL_POSITION;
SELECT * FROM `products` LIMIT 1;
ALTER TABLE `products` ADD `stock` bigint DEFAULT 0;
INSERT INTO `products` (`code`,`price`) VALUES ('F1',1),('F2',2) ON DUPLICATE KEY UPDATE `price`=VALUES(`price`);
DELETE FROM `products` WHERE `products`.`id` = 1;
DROP TABLE IF EXISTS `products` CASCADE;
# Prisma and Knex.
-- session prisma
SELECT @@version, @@GLOBAL.version;
SELECT @@socket IS NOT NULL, @@socket = @@socket;
SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'eq_orm_others';
CREATE TABLE `User` (`id` INTEGER NOT NULL AUTO_INCREMENT, `email` VARCHAR(191) NOT NULL, `name` VARCHAR(191) NULL, UNIQUE INDEX `User_email_key`(`email`), PRIMARY KEY (`id`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
BEGIN;
-- params 'a@b.c', 'A'
INSERT INTO `eq_orm_others`.`User` (`email`,`name`) VALUES (?,?);
-- params 1, 1, 0
SELECT `eq_orm_others`.`User`.`id`, `eq_orm_others`.`User`.`email`, `eq_orm_others`.`User`.`name` FROM `eq_orm_others`.`User` WHERE `eq_orm_others`.`User`.`id` = ? LIMIT ? OFFSET ?;
COMMIT;
SELECT COUNT(*) FROM (SELECT `eq_orm_others`.`User`.`id` FROM `eq_orm_others`.`User` WHERE 1=1 ORDER BY `eq_orm_others`.`User`.`id` ASC) AS `sub`;
-- params 'a@b.c'
select `User`.* from `User` where `email` = ? limit 1;
-- params 'x', 1
update `User` set `name` = ? where `id` = ?;
select count(`id`) as `cnt` from `User`;
drop table if exists `User`;
# WordPress.
-- session wordpress
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci';
SELECT @@SESSION.sql_mode;
SET SESSION sql_mode='NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
CREATE TABLE wp_options (option_id bigint(20) unsigned NOT NULL auto_increment, option_name varchar(191) NOT NULL default '', option_value longtext NOT NULL, autoload varchar(20) NOT NULL default 'yes', PRIMARY KEY (option_id), UNIQUE KEY option_name (option_name), KEY autoload (autoload));
CREATE TABLE wp_posts (ID bigint(20) unsigned NOT NULL auto_increment, post_date datetime NOT NULL default '0000-00-00 00:00:00', post_title text NOT NULL, post_status varchar(20) NOT NULL default 'publish', PRIMARY KEY (ID));
INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES ('siteurl', 'http://example.com', 'yes') ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`), `option_value` = VALUES(`option_value`), `autoload` = VALUES(`autoload`);
SELECT option_name, option_value FROM wp_options WHERE autoload IN ( 'yes', 'on', 'auto-on', 'auto' );
SELECT option_value FROM wp_options WHERE option_name = 'siteurl' LIMIT 1;
INSERT INTO wp_posts (post_title) VALUES ('Hello world'), ('Draft');
UPDATE `wp_posts` SET `post_status` = 'draft' WHERE `ID` = 2;
SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts WHERE 1=1 AND wp_posts.post_status = 'publish' ORDER BY wp_posts.post_date DESC, wp_posts.ID LIMIT 0, 10;
SELECT FOUND_ROWS();
SELECT wp_posts.* FROM wp_posts WHERE ID IN (1) ORDER BY ID;
SHOW FULL COLUMNS FROM `wp_options`;
SHOW TABLES LIKE 'wp\_options';
DESCRIBE wp_posts;
SELECT YEAR(post_date) AS `year`, count(ID) as posts FROM wp_posts WHERE post_status = 'publish' GROUP BY YEAR(post_date) ORDER BY post_date DESC;
DROP TABLE wp_options, wp_posts;
# phpMyAdmin.
-- session pma
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci';
SET lc_messages = 'en_US';
SET collation_connection = 'utf8mb4_unicode_ci';
SELECT @@version, @@version_comment;
SELECT @@lower_case_table_names;
SELECT CURRENT_USER();
SHOW SESSION VARIABLES LIKE 'character_set_server';
SHOW VARIABLES LIKE 'language';
SHOW GRANTS;
SELECT `SCHEMA_NAME` FROM `INFORMATION_SCHEMA`.`SCHEMATA` WHERE SCHEMA_NAME = 'eq_orm_others';
SHOW DATABASES LIKE 'eq\_orm\_others';
SELECT DATABASE();
SHOW TABLES FROM `eq_orm_others`;
CREATE TABLE `eq_orm_others`.`pma_t` ( `id` INT NOT NULL AUTO_INCREMENT , `v` VARCHAR(10) NOT NULL , PRIMARY KEY (`id`)) ENGINE = InnoDB;
INSERT INTO `pma_t` (`id`, `v`) VALUES (NULL, 'a'), (NULL, 'b');
SELECT *, `TABLE_SCHEMA` AS `Db`, `TABLE_NAME` AS `Name` FROM `information_schema`.`TABLES` t WHERE `TABLE_SCHEMA` IN ('nothing_here') ORDER BY Name ASC;
SELECT `COLUMN_NAME` AS `Field`, `COLUMN_TYPE` AS `Type`, `COLLATION_NAME` AS `Collation`, `IS_NULLABLE` AS `Null`, `COLUMN_KEY` AS `Key`, `COLUMN_DEFAULT` AS `Default`, `EXTRA` AS `Extra` FROM `information_schema`.`COLUMNS` WHERE `TABLE_SCHEMA` COLLATE utf8mb3_bin = 'eq_orm_others' AND `TABLE_NAME` COLLATE utf8mb3_bin = 'pma_t' ORDER BY `ORDINAL_POSITION`;
SHOW INDEXES FROM `eq_orm_others`.`pma_t` WHERE (Non_unique = 5);
SELECT COUNT(*) FROM `eq_orm_others`.`pma_t`;
SELECT * FROM `pma_t` ORDER BY `id` LIMIT 0, 25;
SELECT SQL_CALC_FOUND_ROWS * FROM `pma_t` LIMIT 1;
SELECT FOUND_ROWS();
SET PROFILING=0;
UPDATE `pma_t` SET `v` = 'edited' WHERE `pma_t`.`id` = 1;
SELECT * FROM `pma_t` WHERE `id` = 1;
SHOW CREATE TABLE `eq_orm_others`.`pma_t`;
SELECT `PLUGIN_NAME`, `PLUGIN_STATUS` FROM `information_schema`.`PLUGINS` WHERE `PLUGIN_NAME` = 'InnoDB';
-- error 1146
SELECT `db_name`, COUNT(*) FROM `phpmyadmin_nothing` GROUP BY `db_name`;
-- mask *metadata: MySQL names the origin by its plan
SHOW EVENTS FROM `eq_orm_others`;
SHOW TRIGGERS FROM `eq_orm_others`;
DELETE FROM `pma_t` WHERE `pma_t`.`id` = 2 LIMIT 1;
OPTIMIZE TABLE `pma_t`;
DROP TABLE `pma_t`;

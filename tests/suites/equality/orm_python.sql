# What Django and SQLAlchemy send: start, migrations, CRUD, transactions.
# Django: connection set-up and introspection.
SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET SQL_AUTO_IS_NULL = 0;
set autocommit=0;
set autocommit=1;
SELECT engine FROM information_schema.engines WHERE support = 'DEFAULT';
SHOW FULL TABLES;
SELECT table_name, table_type, table_comment FROM information_schema.tables WHERE table_schema = DATABASE();
CREATE TABLE `django_migrations` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `app` varchar(255) NOT NULL, `name` varchar(255) NOT NULL, `applied` datetime(6) NOT NULL);
SELECT `django_migrations`.`id`, `django_migrations`.`app`, `django_migrations`.`name`, `django_migrations`.`applied` FROM `django_migrations`;
CREATE TABLE `blog_author` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `name` varchar(100) NOT NULL, `email` varchar(254) NOT NULL UNIQUE, `joined` datetime(6) NOT NULL, `active` bool NOT NULL);
CREATE TABLE `blog_post` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `title` varchar(200) NOT NULL, `body` longtext NOT NULL, `views` integer UNSIGNED NOT NULL CHECK (`views` >= 0), `score` numeric(6, 2) NULL, `published` date NULL, `author_id` bigint NOT NULL);
CREATE TABLE `blog_tag` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `label` varchar(50) NOT NULL UNIQUE);
CREATE TABLE `blog_post_tags` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `post_id` bigint NOT NULL, `tag_id` bigint NOT NULL);
ALTER TABLE `blog_post_tags` ADD CONSTRAINT `blog_post_tags_post_id_tag_id_uniq` UNIQUE (`post_id`, `tag_id`);
ALTER TABLE `blog_post` ADD CONSTRAINT `blog_post_author_id_fk` FOREIGN KEY (`author_id`) REFERENCES `blog_author` (`id`);
CREATE INDEX `blog_post_title_idx` ON `blog_post` (`title`);
INSERT INTO `django_migrations` (`app`, `name`, `applied`) VALUES ('blog', '0001_initial', '2024-01-02 03:04:05.678901');
-- unordered
SELECT kc.`constraint_name`, kc.`column_name`, kc.`referenced_table_name`, kc.`referenced_column_name`, c.`constraint_type` FROM information_schema.key_column_usage AS kc, information_schema.table_constraints AS c WHERE kc.table_schema = DATABASE() AND c.table_schema = kc.table_schema AND c.constraint_name = kc.constraint_name AND c.constraint_type != 'CHECK' AND kc.table_name = 'blog_post' ORDER BY kc.`ordinal_position`;
SELECT `column_name`, `data_type`, `is_nullable` FROM information_schema.columns WHERE table_name = 'blog_post' AND table_schema = DATABASE() ORDER BY ordinal_position;
SELECT * FROM `blog_post` LIMIT 1;
-- mask Cardinality: the optimizer's estimate
SHOW INDEX FROM `blog_post`;
# Django: the ORM.
set autocommit=0;
INSERT INTO `blog_author` (`name`, `email`, `joined`, `active`) VALUES ('Ann', 'ann@example.com', '2024-01-01 00:00:00', 1);
INSERT INTO `blog_author` (`name`, `email`, `joined`, `active`) VALUES ('Bob', 'bob@example.com', '2024-01-02 00:00:00.000001', 0);
COMMIT;
set autocommit=1;
SELECT `blog_author`.`id`, `blog_author`.`name`, `blog_author`.`email`, `blog_author`.`joined`, `blog_author`.`active` FROM `blog_author` ORDER BY `blog_author`.`id` ASC;
SELECT `blog_author`.`id`, `blog_author`.`name` FROM `blog_author` WHERE `blog_author`.`id` = 1 LIMIT 21;
SELECT 1 AS `a` FROM `blog_author` WHERE `blog_author`.`email` = 'ann@example.com' LIMIT 1;
SELECT COUNT(*) AS `__count` FROM `blog_author`;
INSERT INTO `blog_post` (`title`, `body`, `views`, `score`, `published`, `author_id`) VALUES ('First', 'It''s a body', 0, NULL, '2024-02-03', 1), ('Second', 'Another', 5, '4.50', NULL, 1), ('Third', 'Third body', 7, '1.25', '2024-03-04', 2);
-- only mariadb
INSERT INTO `blog_tag` (`label`) VALUES ('news'), ('tech') RETURNING `blog_tag`.`id`;
-- only mysql
INSERT INTO `blog_tag` (`label`) VALUES ('news'), ('tech');
INSERT IGNORE INTO `blog_post_tags` (`post_id`, `tag_id`) VALUES (1, 1), (1, 2), (2, 1);
INSERT IGNORE INTO `blog_post_tags` (`post_id`, `tag_id`) VALUES (1, 1);
-- mask *metadata: with another plan the column comes from a temporary table, which has no keys
SELECT `blog_post`.`id`, `blog_post`.`title`, `blog_author`.`id`, `blog_author`.`name` FROM `blog_post` INNER JOIN `blog_author` ON (`blog_post`.`author_id` = `blog_author`.`id`) ORDER BY `blog_post`.`title` DESC;
-- mask *metadata: with another plan the column comes from a temporary table, which has no keys
SELECT (`blog_post_tags`.`post_id`) AS `_prefetch_related_val_post_id`, `blog_tag`.`id`, `blog_tag`.`label` FROM `blog_tag` INNER JOIN `blog_post_tags` ON (`blog_tag`.`id` = `blog_post_tags`.`tag_id`) WHERE `blog_post_tags`.`post_id` IN (1, 2, 3) ORDER BY 1, 2;
-- mask *metadata: with another plan the column comes from a temporary table, which has no keys
SELECT `blog_author`.`id`, COUNT(`blog_post`.`id`) AS `n`, SUM(`blog_post`.`views`) AS `v` FROM `blog_author` LEFT OUTER JOIN `blog_post` ON (`blog_author`.`id` = `blog_post`.`author_id`) GROUP BY `blog_author`.`id` HAVING COUNT(`blog_post`.`id`) > 0 ORDER BY NULL;
UPDATE `blog_post` SET `views` = (`blog_post`.`views` + 1) WHERE `blog_post`.`id` = 1;
SELECT `blog_post`.`views` FROM `blog_post` WHERE `blog_post`.`id` = 1;
SELECT `blog_post`.`id` FROM `blog_post` WHERE (`blog_post`.`title` LIKE BINARY '%ir%' AND NOT (`blog_post`.`views` = 0)) ORDER BY 1;
SELECT `blog_post`.`id` FROM `blog_post` WHERE `blog_post`.`published` BETWEEN '2024-01-01' AND '2024-12-31' ORDER BY 1;
SELECT DISTINCT CAST(DATE_FORMAT(`blog_post`.`published`, '%Y-%m-01') AS DATE) AS `datefield` FROM `blog_post` WHERE `blog_post`.`published` IS NOT NULL ORDER BY 1 ASC;
SELECT MAX(`blog_post`.`score`) AS `m`, AVG(`blog_post`.`views`) AS `a` FROM `blog_post`;
SELECT `blog_post`.`id`, CASE WHEN `blog_post`.`views` > 5 THEN 'hot' ELSE 'cold' END AS `heat` FROM `blog_post` ORDER BY 1;
-- mask *metadata: with another plan the column comes from a temporary table, which has no keys
SELECT `blog_post`.`id` FROM `blog_post` WHERE EXISTS(SELECT 1 AS `a` FROM `blog_post_tags` U0 WHERE U0.`post_id` = (`blog_post`.`id`) LIMIT 1) ORDER BY 1;
set autocommit=0;
SAVEPOINT `s140_x1`;
UPDATE `blog_post` SET `title` = 'Changed' WHERE `blog_post`.`id` = 2;
ROLLBACK TO SAVEPOINT `s140_x1`;
RELEASE SAVEPOINT `s140_x1`;
SELECT `blog_post`.`title` FROM `blog_post` WHERE `blog_post`.`id` = 2 FOR UPDATE;
COMMIT;
set autocommit=1;
-- error 1062
INSERT INTO `blog_author` (`name`, `email`, `joined`, `active`) VALUES ('Ann again', 'ann@example.com', '2024-01-01 00:00:00', 1);
-- error 1452
INSERT INTO `blog_post` (`title`, `body`, `views`, `author_id`) VALUES ('x', 'y', 0, 999);
ALTER TABLE `blog_post` ADD COLUMN `slug` varchar(50) DEFAULT '' NOT NULL;
ALTER TABLE `blog_post` ALTER COLUMN `slug` DROP DEFAULT;
UPDATE `blog_post` SET `slug` = LOWER(`title`) WHERE `slug` = '';
ALTER TABLE `blog_post` MODIFY `slug` varchar(60) NOT NULL;
SELECT `slug` FROM `blog_post` ORDER BY `id`;
ALTER TABLE `blog_post` DROP COLUMN `slug`;
DELETE FROM `blog_post_tags` WHERE `blog_post_tags`.`post_id` IN (3);
DELETE FROM `blog_post` WHERE `blog_post`.`id` IN (3);
SELECT COUNT(*) FROM (SELECT `blog_post`.`id` AS `col1` FROM `blog_post` ORDER BY `blog_post`.`id` ASC LIMIT 10) subquery;
CREATE TABLE `django_session` (`session_key` varchar(40) NOT NULL PRIMARY KEY, `session_data` longtext NOT NULL, `expire_date` datetime(6) NOT NULL);
SELECT `django_session`.`session_key` FROM `django_session` WHERE (`django_session`.`expire_date` > '2024-01-01 00:00:00' AND `django_session`.`session_key` = 'abc') LIMIT 21;
INSERT INTO `django_session` (`session_key`, `session_data`, `expire_date`) VALUES ('abc', 'data', '2030-01-01 00:00:00');
SELECT `session_data` FROM `django_session` WHERE `session_key` = 'abc';
UPDATE `django_session` SET `session_data` = 'more', `expire_date` = '2031-01-01 00:00:00' WHERE `django_session`.`session_key` = 'abc';
DROP TABLE `django_session`, `blog_post_tags`, `blog_tag`, `blog_post`, `blog_author`, `django_migrations`;
# SQLAlchemy with PyMySQL: dialect initialisation, reflection, unit of work.
-- session sqla
SET AUTOCOMMIT = 0;
SELECT DATABASE();
SELECT @@sql_mode;
SELECT @@lower_case_table_names;
-- error@mariadb 1193
SELECT @@version, @@transaction_isolation IS NULL;
SHOW VARIABLES LIKE 'sql_mode';
SHOW VARIABLES LIKE 'lower_case_table_names';
SELECT CAST('test plain returns' AS CHAR(60)) AS anon_1;
SELECT CAST('test unicode returns' AS CHAR(60)) AS anon_1;
SELECT CAST('test collated returns' AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin AS anon_1;
ROLLBACK;
-- error 1146
DESCRIBE `eq_orm_python`.`users`;
CREATE TABLE users (
	id INTEGER NOT NULL AUTO_INCREMENT,
	name VARCHAR(50),
	fullname VARCHAR(50),
	nickname VARCHAR(50),
	PRIMARY KEY (id)
);
CREATE TABLE addresses (
	id INTEGER NOT NULL AUTO_INCREMENT,
	email_address VARCHAR(100) NOT NULL,
	user_id INTEGER,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id)
);
COMMIT;
DESCRIBE `eq_orm_python`.`users`;
SHOW CREATE TABLE `addresses`;
INSERT INTO users (name, fullname, nickname) VALUES ('ed', 'Ed Jones', 'edsnickname');
INSERT INTO users (name, fullname, nickname) VALUES ('wendy', 'Wendy Williams', 'windy'), ('mary', 'Mary Contrary', NULL);
INSERT INTO addresses (email_address, user_id) VALUES ('ed@example.com', 1), ('e25@example.com', 1);
SELECT users.id AS users_id, users.name AS users_name, users.fullname AS users_fullname, users.nickname AS users_nickname
FROM users
WHERE users.name = 'ed'
 LIMIT 1;
COMMIT;
SELECT users.id, users.name FROM users LEFT OUTER JOIN addresses ON users.id = addresses.user_id ORDER BY users.id, addresses.id;
SELECT addresses.user_id AS addresses_user_id, addresses.id AS addresses_id FROM addresses WHERE addresses.user_id IN (1, 2, 3) ORDER BY 2;
SELECT count(*) AS count_1 FROM (SELECT users.id AS users_id FROM users WHERE users.name LIKE concat('%%', 'd')) AS anon_1;
SELECT anon_1.user_id, anon_1.n FROM (SELECT user_id, count('*') AS n FROM addresses GROUP BY user_id) AS anon_1 ORDER BY 1;
WITH anon_2 AS (SELECT id FROM users) SELECT max(anon_2.id) AS max_1 FROM anon_2;
UPDATE users SET nickname='eddie' WHERE users.id = 1;
SELECT users.nickname FROM users WHERE users.id = 1;
ROLLBACK;
SELECT users.nickname FROM users WHERE users.id = 1;
SAVEPOINT sa_savepoint_1;
DELETE FROM addresses WHERE addresses.id IN (1, 2);
ROLLBACK TO SAVEPOINT sa_savepoint_1;
SELECT count(*) FROM addresses;
RELEASE SAVEPOINT sa_savepoint_1;
COMMIT;
-- params 'jack', 'Jack Bean'
-- params 'jill', NULL
INSERT INTO users (name, fullname) VALUES (?, ?);
-- params 'jack'
-- params 'nobody'
SELECT users.id, users.fullname FROM users WHERE users.name = ?;
-- params 1, 10
SELECT users.name FROM users WHERE users.id >= ? ORDER BY users.id LIMIT ?;
COMMIT;
DROP TABLE addresses;
DROP TABLE users;
COMMIT;

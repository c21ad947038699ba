-- tool: Django | both
SELECT `orders`.`id`, `orders`.`status` FROM `orders` INNER JOIN `customers` ON (`orders`.`customer_id` = `customers`.`id`) WHERE (`customers`.`name` LIKE BINARY 'A%' AND NOT (`orders`.`amount` = 0)) ORDER BY `orders`.`created_at` DESC LIMIT 21
-- tool: Django | both
SELECT `orders`.`id` FROM `orders` WHERE `orders`.`created_at` BETWEEN '2024-01-01 00:00:00' AND '2024-12-31 23:59:59.999999'
-- tool: Django | both
SELECT (1) AS `a` FROM `orders` WHERE `orders`.`id` = 1 LIMIT 1
-- tool: Django | both
SELECT COUNT(*) AS `__count` FROM `orders`
-- tool: Django | both
SELECT EXTRACT(YEAR FROM `orders`.`created_at`) AS `y`, COUNT(`orders`.`id`) AS `n` FROM `orders` GROUP BY EXTRACT(YEAR FROM `orders`.`created_at`) ORDER BY `y` ASC
-- tool: Django | both
SELECT CAST(DATE_FORMAT(CONVERT_TZ(`orders`.`created_at`, 'UTC', '+01:00'), '%Y-%m-01 00:00:00') AS DATETIME) AS `month` FROM `orders`
-- tool: Django | both
SELECT `customers`.`id` FROM `customers` WHERE EXISTS(SELECT 1 AS `a` FROM `orders` U0 WHERE (U0.`customer_id` = (`customers`.`id`) AND U0.`status` = 'paid') LIMIT 1)
-- tool: Django | both
SELECT `orders`.`id` FROM `orders` WHERE JSON_EXTRACT(`orders`.`doc`, '$."a"') = JSON_EXTRACT('1', '$')
-- tool: Django | both
SELECT ROW_NUMBER() OVER (PARTITION BY `orders`.`customer_id` ORDER BY `orders`.`created_at`) AS `n` FROM `orders`
-- tool: Django | both
SELECT `customers`.`id`, COALESCE(SUM(`orders`.`amount`), 0.0) AS `total` FROM `customers` LEFT OUTER JOIN `orders` ON (`customers`.`id` = `orders`.`customer_id`) GROUP BY `customers`.`id` HAVING COUNT(`orders`.`id`) > 0 ORDER BY NULL
-- tool: Django | both
SELECT `orders`.`id` FROM `orders` WHERE `orders`.`id` = 1 FOR UPDATE
-- tool: Django | both
(SELECT `orders`.`id` AS `col1` FROM `orders` WHERE `orders`.`id` = 1) UNION (SELECT `customers`.`id` AS `col1` FROM `customers`) ORDER BY `col1` ASC
-- tool: Django, introspection | both
SELECT table_name, table_type, table_comment FROM information_schema.tables WHERE table_schema = DATABASE()
-- tool: Django, introspection | both
SHOW INDEX FROM `orders`
-- tool: Django, introspection | both
SELECT kc.`constraint_name`, kc.`column_name`, kc.`referenced_table_name`, kc.`referenced_column_name`, c.`constraint_type` FROM information_schema.key_column_usage AS kc, information_schema.table_constraints AS c WHERE kc.table_schema = DATABASE() AND c.table_schema = kc.table_schema AND c.constraint_name = kc.constraint_name AND c.constraint_type != 'CHECK' AND kc.table_name = 'orders' ORDER BY kc.`ordinal_position`
-- tool: Django, savepoints | both
SAVEPOINT `s140_x1`
-- tool: Django, savepoints | both
RELEASE SAVEPOINT `s140_x1`
-- tool: Rails | both
SELECT `orders`.* FROM `orders` WHERE `orders`.`id` = 1 LIMIT 1
-- tool: Rails | both
SELECT 1 AS one FROM `orders` WHERE `orders`.`status` = 'new' LIMIT 1
-- tool: Rails | both
SELECT `orders`.`id` AS t0_r0, `orders`.`status` AS t0_r1, `customers`.`id` AS t1_r0 FROM `orders` LEFT OUTER JOIN `customers` ON `customers`.`id` = `orders`.`customer_id` WHERE `customers`.`country` IN ('DE', 'US') OR 1=0
-- tool: Rails, query tags | both
SELECT `orders`.* FROM `orders` ORDER BY `orders`.`id` ASC LIMIT 1000 /*application:Shop,controller:orders,action:index*/
-- tool: Rails, prepared | both
SELECT `orders`.* FROM `orders` WHERE `orders`.`id` = ? LIMIT ?
-- tool: Rails, optimizer hints | both
SELECT /*+ MAX_EXECUTION_TIME(5000) */ `orders`.* FROM `orders`
-- tool: Rails, schema | both
SHOW FULL FIELDS FROM `orders`
-- tool: Rails, schema | both
SELECT DATABASE() as db
-- tool: Rails, schema | both
SHOW VARIABLES LIKE 'collation_database'
-- tool: Rails, schema | both
SELECT table_comment FROM information_schema.tables WHERE table_schema = database() AND table_name = 'orders'
-- tool: Rails, schema | both
SELECT table_name FROM (SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = database()) _subquery WHERE _subquery.table_type = 'BASE TABLE'
-- tool: Rails, schema | both
SELECT fk.referenced_table_name AS 'to_table', fk.referenced_column_name AS 'primary_key', fk.column_name AS 'column', fk.constraint_name AS 'name', fk.ordinal_position AS 'position', rc.update_rule AS 'on_update', rc.delete_rule AS 'on_delete' FROM information_schema.referential_constraints rc JOIN information_schema.key_column_usage fk USING (constraint_schema, constraint_name) WHERE fk.referenced_column_name IS NOT NULL AND fk.table_schema = database() AND fk.table_name = 'orders' AND rc.constraint_schema = database() AND rc.table_name = 'orders'
-- tool: Laravel | both
select * from `orders` where `orders`.`customer_id` in (1, 2, 3) and `orders`.`customer_id` is not null
-- tool: Laravel | both
select `customers`.*, (select count(*) from `orders` where `customers`.`id` = `orders`.`customer_id`) as `orders_count` from `customers` having `orders_count` > ? order by `orders_count` desc limit 15 offset 0
-- tool: Laravel | both
select exists(select * from `orders` where `status` = ?) as `exists`
-- tool: Laravel | both
select * from `orders` where json_unquote(json_extract(`doc`, '$."a"')) = ? and json_contains(`doc`, ?, '$."tags"')
-- tool: Laravel | both
select count(*) as aggregate from (select distinct `status` from `orders`) as `aggregate_table`
-- tool: Laravel | both
select * from `orders` where `status` = 'new' limit 1 for update skip locked
-- tool: Laravel | both
select * from `orders` where date(`created_at`) = '2024-01-02' and year(`created_at`) = 2024 and match (`note`) against ('order' in natural language mode)
-- tool: Laravel | both
(select `id` from `orders`) union all (select `id` from `customers`) order by `id` desc limit 5
-- tool: Laravel, schema | both
select table_name as `name`, (data_length + index_length) as `size`, table_comment as `comment`, engine as `engine`, table_collation as `collation` from information_schema.tables where table_schema = 'test' and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') order by table_name
-- tool: Laravel, schema | both
select column_name as `name`, data_type as `type_name`, column_type as `type`, collation_name as `collation`, is_nullable as `nullable`, column_default as `default`, column_comment as `comment`, generation_expression as `expression`, extra as `extra` from information_schema.columns where table_schema = 'test' and table_name = 'orders' order by ordinal_position asc
-- tool: Laravel, schema | both
select index_name as `name`, group_concat(column_name order by seq_in_index) as `columns`, index_type as `type`, not non_unique as `unique` from information_schema.statistics where table_schema = 'test' and table_name = 'orders' group by index_name, index_type, non_unique
-- tool: Laravel, schema | both
select kc.constraint_name as `name`, group_concat(kc.column_name order by kc.ordinal_position) as `columns`, kc.referenced_table_schema as `foreign_schema`, kc.referenced_table_name as `foreign_table`, rc.update_rule as `on_update` from information_schema.key_column_usage kc join information_schema.referential_constraints rc on kc.constraint_schema = rc.constraint_schema and kc.constraint_name = rc.constraint_name where kc.table_schema = 'test' and kc.table_name = 'orders' and kc.referenced_table_name is not null group by kc.constraint_name, kc.referenced_table_schema, kc.referenced_table_name, rc.update_rule
-- tool: Doctrine | both
SELECT o0_.id AS id_0, o0_.status AS status_1 FROM orders o0_ INNER JOIN customers c1_ ON o0_.customer_id = c1_.id WHERE c1_.country = ? ORDER BY o0_.id ASC LIMIT 10
-- tool: Doctrine | both
SELECT DISTINCT id_0 FROM (SELECT DISTINCT o0_.id AS id_0 FROM orders o0_) dctrn_result LIMIT 10
-- tool: Doctrine, schema | both
SELECT SCHEMA_NAME FROM information_schema.SCHEMATA
-- tool: Doctrine, schema | both
SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'
-- tool: Hibernate | both
select o1_0.id,o1_0.amount,c1_0.id,c1_0.name from orders o1_0 left join customers c1_0 on c1_0.id=o1_0.customer_id where o1_0.status=? order by o1_0.id desc limit ?
-- tool: Hibernate | both
select o1_0.id from orders o1_0 where (o1_0.customer_id,o1_0.status) in ((1,'new'),(2,'paid'))
-- tool: Hibernate | both
select count(distinct o1_0.customer_id) from orders o1_0 where o1_0.amount>=all(select o2_0.amount from orders o2_0 where o2_0.customer_id=o1_0.customer_id)
-- tool: Hibernate | both
select o1_0.id from orders o1_0 where o1_0.note like replace('%x%','\\','\\\\')
-- tool: Hibernate | mysql
select o1_0.id from orders o1_0 where o1_0.id=? for update of o1_0 nowait
-- tool: Hibernate | both
select o1_0.id from orders o1_0 limit ?,?
-- tool: Hibernate, comments | both
/* <criteria> */ select o1_0.id from orders o1_0 where 1=1
-- tool: Hibernate, functions | both
select extract(day from o1_0.created_at),cast(o1_0.id as char),o1_0.amount div 2,timestampdiff(microsecond,o1_0.created_at,now(6))*1000 from orders o1_0
-- tool: Spring Data JPA | both
select count(*) as y0_ from orders this_ where this_.status like ?
-- tool: jOOQ | both
select `test`.`orders`.`id`, `test`.`orders`.`status` from `test`.`orders` where (`test`.`orders`.`id` > ? and 1 = 1) order by `test`.`orders`.`id` limit ?
-- tool: jOOQ, code generation | both
select `information_schema`.`COLUMNS`.`ORDINAL_POSITION`, `information_schema`.`COLUMNS`.`COLUMN_NAME` from `information_schema`.`COLUMNS` where (`information_schema`.`COLUMNS`.`TABLE_SCHEMA` in (?, ?) and `information_schema`.`COLUMNS`.`TABLE_NAME` = ?) order by `information_schema`.`COLUMNS`.`ORDINAL_POSITION`
-- tool: MyBatis | both
SELECT COUNT(0) FROM orders WHERE status = ?
-- tool: Prisma | both
SELECT `test`.`orders`.`id`, `test`.`orders`.`status` FROM `test`.`orders` WHERE (`test`.`orders`.`status` = ? AND (`test`.`orders`.`id`) IN (SELECT `t1`.`id` FROM `test`.`orders` AS `t1` WHERE (`t1`.`amount` > ? AND `t1`.`id` IS NOT NULL))) ORDER BY `test`.`orders`.`id` ASC LIMIT ? OFFSET ?
-- tool: Prisma | both
SELECT COUNT(*), SUM(`amount`) FROM (SELECT `test`.`orders`.`id`, `test`.`orders`.`amount` FROM `test`.`orders` WHERE 1=1) AS `sub`
-- tool: Prisma, relations as JSON | mysql
SELECT JSON_OBJECT('id', `t1`.`id`, 'orders', `t2`.`orders`) FROM `customers` AS `t1` LEFT JOIN LATERAL (SELECT COALESCE(JSON_ARRAYAGG(JSON_OBJECT('id', `t3`.`id`)), JSON_ARRAY()) AS `orders` FROM `orders` AS `t3` WHERE `t3`.`customer_id` = `t1`.`id`) AS `t2` ON TRUE
-- tool: Prisma, schema | both
SELECT DISTINCT
              BINARY table_info.table_name AS table_name,
              table_info.create_options AS create_options,
              table_info.table_comment AS table_comment
            FROM information_schema.tables AS table_info
            JOIN information_schema.columns AS column_info
                ON BINARY column_info.table_name = BINARY table_info.table_name
            WHERE
                table_info.table_schema = ?
                AND column_info.table_schema = ?
                -- Exclude views.
                AND table_info.table_type = 'BASE TABLE'
            ORDER BY BINARY table_info.table_name
-- tool: Prisma, schema | both
SELECT
                column_name column_name,
                data_type data_type,
                column_type full_data_type,
                extra extra,
                IF(column_comment = '', NULL, column_comment) AS column_comment
            FROM information_schema.columns
            WHERE table_schema = ?
            ORDER BY ordinal_position
-- tool: Prisma, schema | both
SELECT TABLE_NAME AS view_name, VIEW_DEFINITION AS view_sql
FROM INFORMATION_SCHEMA.VIEWS
WHERE TABLE_SCHEMA = ?;
-- tool: Prisma, migration lock | both
SELECT GET_LOCK('prisma_migrate', 10)
-- tool: GORM | both
SELECT * FROM `orders` WHERE status = ? AND `orders`.`note` IS NULL ORDER BY `orders`.`id` LIMIT ?
-- tool: GORM | both
SELECT SCHEMA_NAME from Information_schema.SCHEMATA where SCHEMA_NAME LIKE ? ORDER BY SCHEMA_NAME=? DESC,SCHEMA_NAME limit 1
-- tool: GORM | both
SELECT column_name, column_default, is_nullable = 'YES', data_type, character_maximum_length, column_type, column_key, extra, column_comment, numeric_precision, numeric_scale , datetime_precision FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ORDINAL_POSITION
-- tool: sqlx, compile-time checks | both
SELECT VERSION()
-- tool: sqlx, migrations | both
SELECT version, checksum FROM _sqlx_migrations ORDER BY version
-- tool: Diesel | both
SELECT `orders`.`id`, `orders`.`status` FROM `orders` WHERE (`orders`.`id` = ?) LIMIT ?
-- tool: Sequelize | both
SELECT `id`, `status`, `created_at` AS `createdAt` FROM `orders` AS `Order` WHERE (`Order`.`status` = 'new' OR `Order`.`status` IS NULL) ORDER BY `Order`.`id` ASC LIMIT 0, 10;
-- tool: Sequelize | both
SELECT count(*) AS `count` FROM `orders` AS `Order` LEFT OUTER JOIN `customers` AS `Customer` ON `Order`.`customer_id` = `Customer`.`id`;
-- tool: Sequelize | both
SHOW FULL COLUMNS FROM `orders`;
-- tool: Sequelize | both
SHOW INDEX FROM `orders` FROM `test`
-- tool: Sequelize | both
SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME = 'orders' AND TABLE_SCHEMA = 'test'
-- tool: TypeORM | both
SELECT DISTINCT `distinctAlias`.`Order_id` AS `ids_Order_id` FROM (SELECT `Order`.`id` AS `Order_id`, `Order`.`status` AS `Order_status` FROM `orders` `Order` WHERE ((`Order`.`id` = ?))) `distinctAlias` ORDER BY `Order_id` ASC LIMIT 1
-- tool: TypeORM, schema | both
SELECT * FROM `INFORMATION_SCHEMA`.`COLUMNS` WHERE TABLE_SCHEMA = 'test' AND TABLE_NAME = 'orders' UNION ALL SELECT * FROM `INFORMATION_SCHEMA`.`COLUMNS` WHERE 1 = 0
-- tool: Knex | both
select `o`.`id`, count(`o`.`id`) as `cnt` from `orders` as `o` group by `o`.`id` having count(`o`.`id`) > ? limit ?
-- tool: Drizzle | both
select `id`, `name` from `customers` where (`customers`.`name` like ? and `customers`.`id` > ?) order by `customers`.`id` limit ?
-- tool: Entity Framework | both
SELECT `o`.`id`, `o`.`status`
FROM `orders` AS `o`
WHERE `o`.`status` LIKE 'n%' AND (`o`.`amount` <> 0.0)
ORDER BY `o`.`id`
LIMIT 18446744073709551610 OFFSET 1
-- tool: Entity Framework | both
SELECT EXISTS (
    SELECT 1
    FROM `orders` AS `o`)
-- tool: Dapper | both
SELECT id AS Id, name AS Name FROM customers WHERE id IN (1,2,3)
-- tool: Peewee | both
SELECT `t1`.`id`, `t1`.`name` FROM `customers` AS `t1` WHERE (`t1`.`name` LIKE 'A%') ORDER BY Rand() LIMIT 3
-- tool: WordPress | both
SELECT SQL_CALC_FOUND_ROWS  orders.id FROM orders  WHERE 1=1  AND ((orders.status = 'new' OR orders.status = 'paid'))  ORDER BY orders.created_at DESC LIMIT 0, 10
-- tool: WordPress | both
SELECT FOUND_ROWS()
-- tool: WordPress | both
SELECT YEAR(created_at) AS `year`, MONTH(created_at) AS `month`, count(id) as posts FROM orders  WHERE status = 'paid' GROUP BY YEAR(created_at), MONTH(created_at) ORDER BY MAX(created_at) DESC
-- tool: WordPress | both
SHOW TABLES LIKE 'wp\\_posts'
-- tool: WordPress | both
DESCRIBE orders
-- tool: Drupal | both
SET SESSION sql_mode = 'ANSI,TRADITIONAL'
-- tool: Magento | both
SELECT `e`.*, IF(o.amount IS NULL, 0, o.amount) AS `price` FROM `customers` AS `e` LEFT JOIN `orders` AS `o` ON o.customer_id=e.id AND o.status = 'new' WHERE (e.id IN(1, 2)) GROUP BY `e`.`id`, `o`.`amount`

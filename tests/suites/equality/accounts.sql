-- alone
# Accounts, roles and privileges, as an administrator.
-- session a super
USE eq_accounts;
DROP USER IF EXISTS eq_u1, eq_u2@localhost, eq_u3;
DROP ROLE IF EXISTS eq_r1, eq_r2;
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
INSERT INTO t VALUES (1, 1, 1);
CREATE USER eq_u1 IDENTIFIED BY 'secret one';
CREATE USER eq_u2@localhost IDENTIFIED BY 'secret two', eq_u3;
-- error 1396
CREATE USER eq_u1 IDENTIFIED BY 'again';
CREATE USER IF NOT EXISTS eq_u1 IDENTIFIED BY 'again';
GRANT SELECT ON eq_accounts.* TO eq_u1;
GRANT SELECT (id), UPDATE (a) ON eq_accounts.t TO eq_u2@localhost;
GRANT ALL PRIVILEGES ON eq_accounts.t TO eq_u3 WITH GRANT OPTION;
GRANT PROCESS, RELOAD ON *.* TO eq_u1;
SHOW GRANTS FOR eq_u2@localhost;
SHOW GRANTS FOR eq_u3;
-- mask 1: a salted hash
SHOW GRANTS FOR eq_u1;
-- mask 1: a salted hash
SHOW CREATE USER eq_u1;
SELECT user, host FROM mysql.user WHERE user LIKE 'eq\_%' ORDER BY 1, 2;
SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE LIKE '%eq\_u%' ORDER BY 1, 2;
SELECT GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.TABLE_PRIVILEGES WHERE TABLE_NAME = 't' AND TABLE_SCHEMA = 'eq_accounts' ORDER BY 1, 2;
SELECT GRANTEE, COLUMN_NAME, PRIVILEGE_TYPE FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = 'eq_accounts' ORDER BY 1, 2, 3;
REVOKE UPDATE (a) ON eq_accounts.t FROM eq_u2@localhost;
-- error 1147 1141
REVOKE DELETE ON eq_accounts.t FROM eq_u1;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM eq_u3;
SHOW GRANTS FOR eq_u3;
-- error 1141 1133
SHOW GRANTS FOR eq_nobody;
-- error 1410 1133
GRANT SELECT ON *.* TO eq_nobody;
ALTER USER eq_u1 IDENTIFIED BY 'changed';
ALTER USER eq_u1 ACCOUNT LOCK;
ALTER USER eq_u1 ACCOUNT UNLOCK;
ALTER USER eq_u1 PASSWORD EXPIRE NEVER;
ALTER USER eq_u1 REQUIRE SSL;
ALTER USER eq_u1 REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 1000;
ALTER USER IF EXISTS eq_nobody IDENTIFIED BY 'x';
-- error 1396
ALTER USER eq_nobody IDENTIFIED BY 'x';
-- only mysql
SET PASSWORD FOR eq_u1 = 'third';
-- only mariadb
SET PASSWORD FOR eq_u1 = PASSWORD('third');
RENAME USER eq_u3 TO eq_u4;
RENAME USER eq_u4 TO eq_u3;
-- error 1396
RENAME USER eq_nobody TO eq_other;
CREATE ROLE eq_r1, eq_r2;
CREATE ROLE IF NOT EXISTS eq_r1;
GRANT INSERT ON eq_accounts.* TO eq_r1;
GRANT eq_r1 TO eq_u1;
GRANT eq_r1 TO eq_r2;
SHOW GRANTS FOR eq_r1;
-- only mysql
SET DEFAULT ROLE eq_r1 TO eq_u1;
-- only mariadb
SET DEFAULT ROLE eq_r1 FOR eq_u1;
-- only mysql
SHOW GRANTS FOR eq_u1 USING eq_r1;
-- only mysql
ALTER USER eq_u1 DEFAULT ROLE NONE;
-- only mysql
-- error 1064
ALTER USER eq_u1 COMMENT 'an account' ATTRIBUTE '{"k": 1}';
-- only mysql
SELECT JSON_EXTRACT(User_attributes, '$.metadata') FROM mysql.user WHERE user = 'eq_u1';
-- only mysql
-- mask 3: a random password
CREATE USER eq_u5 IDENTIFIED BY RANDOM PASSWORD FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 1;
-- only mysql
DROP USER IF EXISTS eq_u5;
-- only mysql
GRANT ROLE_ADMIN ON *.* TO eq_u3;
-- only mysql
REVOKE IF EXISTS ROLE_ADMIN ON *.* FROM eq_u3 IGNORE UNKNOWN USER;
-- only mariadb
CREATE OR REPLACE USER eq_u3 IDENTIFIED VIA mysql_native_password USING PASSWORD('x') OR unix_socket;
-- only mariadb
CREATE ROLE eq_r3 WITH ADMIN eq_u1;
-- only mariadb
DROP ROLE eq_r3;
-- only mariadb
SET ROLE eq_r1;
-- only mariadb
SELECT CURRENT_ROLE();
-- only mysql
GRANT eq_r1 TO super;
-- only mysql
SET ROLE eq_r1;
-- only mysql
SELECT CURRENT_ROLE();
SET ROLE NONE;
SELECT CURRENT_ROLE();
-- only mysql
SET ROLE ALL;
-- only mysql
SET ROLE ALL EXCEPT eq_r1;
-- only mysql
REVOKE eq_r1 FROM super;
-- error 1959 3530
SET ROLE eq_nothing;
-- error 1698
GRANT PROXY ON eq_u1 TO eq_u2@localhost;
-- error 1698
REVOKE PROXY ON eq_u1 FROM eq_u2@localhost;
REVOKE eq_r1 FROM eq_u1;
DROP ROLE eq_r1, eq_r2;
DROP ROLE IF EXISTS eq_r1;
-- error 1396
DROP ROLE eq_r1;
FLUSH PRIVILEGES;
FLUSH USER_RESOURCES;
DROP USER eq_u1, eq_u2@localhost, eq_u3;
-- error 1396
DROP USER eq_u1;
DROP USER IF EXISTS eq_u1;
SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'eq\_%';
DROP TABLE t;
-- session app
-- error 1044 1142 1227
GRANT SELECT ON mysql.* TO app@'%';
-- error 1142
SELECT * FROM mysql.user;
-- error 1227
CREATE USER eq_x;
SHOW GRANTS;

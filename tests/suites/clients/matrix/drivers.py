"""The drivers of the matrix, in the order of the tables: name, language, the name that users know."""

DRIVERS = {
    "mariadb": ("Command line", "mariadb"),
    "mysql": ("Command line", "mysql"),
    "connj": ("Java", "MySQL Connector/J"),
    "mariadbj": ("Java", "MariaDB Connector/J"),
    "pymysql": ("Python", "PyMySQL"),
    "mysqlclient": ("Python", "mysqlclient"),
    "connpy_pure": ("Python", "mysql-connector-python, pure"),
    "connpy_c": ("Python", "mysql-connector-python, C extension"),
    "asyncmy": ("Python", "asyncmy"),
    "go": ("Go", "go-sql-driver/mysql"),
    "node_mysql2": ("Node.js", "mysql2"),
    "node_mariadb": ("Node.js", "mariadb"),
    "mysqli": ("PHP", "mysqli"),
    "pdo": ("PHP", "PDO"),
    "ruby_mysql2": ("Ruby", "mysql2"),
    "dbd_mysql": ("Perl", "DBD::mysql"),
    "dbd_mariadb": ("Perl", "DBD::MariaDB"),
    "sqlx": ("Rust", "sqlx"),
    "mysql_async": ("Rust", "mysql_async"),
}

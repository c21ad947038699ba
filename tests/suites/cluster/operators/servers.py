"""A server's connection, as those have it that take care of a cluster."""

import pymysql


class Server:
    """One connection to a pod's server, as root. Times in seconds."""

    def __init__(self, address, password, connect_timeout, statement_timeout):
        self.connection = pymysql.connect(host=address, user="root", password=password, autocommit=True, connect_timeout=connect_timeout,
                                          read_timeout=statement_timeout, write_timeout=statement_timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def run(self, *statements):
        """Returns the rows of the last one."""
        rows = ()
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall()
        return rows

    def value(self, statement):
        rows = self.run(statement)
        return rows[0][0] if rows else None

    def replication(self):
        """What SHOW SLAVE STATUS says; None from a server that replicates from nobody."""
        with self.connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW SLAVE STATUS")
            return cursor.fetchone()

package pointsman.clients;

import static pointsman.clients.Client.DATABASE;
import static pointsman.clients.Client.FLAVOR;
import static pointsman.clients.Client.PASSWORD;
import static pointsman.clients.Client.USER;
import static pointsman.clients.Client.drop;
import static pointsman.clients.Client.one;
import static pointsman.clients.Client.rows;
import static pointsman.clients.Client.run;
import static pointsman.clients.Client.update;
import static pointsman.clients.Suite.eq;
import static pointsman.clients.Suite.fails;
import static pointsman.clients.Suite.ok;

import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** Login, errors, transactions, several results, counts, small things. */
final class Basics {
    private final Client client;

    Basics(Client client) {
        this.client = client;
    }

    void register(Suite suite) {
        suite.feature("login", this::login);
        suite.feature("wrong_password", this::wrongPassword);
        suite.feature("errors", this::errors);
        suite.feature("transaction", this::transaction);
        suite.feature("multi_statement", this::multiStatement);
        suite.feature("procedure", this::procedure);
        suite.feature("affected", this::affected);
        suite.feature("ping", this::ping);
        suite.feature("prepare_cycles", this::prepareCycles);
        suite.feature("empty", this::empty);
        suite.feature("pipeline", this::pipeline);
    }

    private String login() throws Exception {
        try (Connection connection = client.connect()) {
            eq("schema", DATABASE, one(connection, "SELECT DATABASE()"));
            eq("user", USER, one(connection, "SELECT CURRENT_USER()").split("@")[0]);
            String version = connection.getMetaData().getDatabaseProductVersion();
            ok("MariaDB names itself", version.contains("MariaDB") == FLAVOR.equals("mariadb"), version);
        }
        try (Connection bare = client.connectTo("", USER, PASSWORD)) {
            eq("no schema", null, one(bare, "SELECT DATABASE()"));
        }
        try (Connection packed = client.connect("useCompression=true")) {
            eq("with compression, if offered", "z".repeat(300000), one(packed, "SELECT REPEAT('z', 300000)"));
        }
        return null;
    }

    private String wrongPassword() throws Exception {
        fails("wrong password", List.of(1045), () -> client.connectTo(DATABASE, USER, PASSWORD + "x"));
        fails("empty password", List.of(1045), () -> client.connectTo(DATABASE, USER, ""));
        fails("unknown user", List.of(1045), () -> client.connectTo(DATABASE, "nobody_" + USER, PASSWORD));
        fails("unknown schema", List.of(1044, 1049), () -> client.connectTo("no_such_schema", USER, PASSWORD));
        return null;
    }

    private String errors() throws Exception {
        for (String[] options : client.bothProtocols()) {
            Connection connection = client.connect(options);
            String table = client.fresh(connection, "errors", "id INT PRIMARY KEY");
            run(connection, "INSERT INTO " + table + " VALUES (1), (2)");
            String[] statements = {"SELEKT ?", "SELECT * FROM " + table + "_none WHERE id = ?", "INSERT INTO " + table + " VALUES (?)", "SELECT nope FROM " + table + " WHERE id = ?"};
            int[] codes = {1064, 1146, 1062, 1054};
            for (int at = 0; at < codes.length; at++) {
                String sql = statements[at];
                fails(sql + " " + options[0], List.of(codes[at]), () -> {
                    try (PreparedStatement statement = connection.prepareStatement(sql)) {
                        statement.setInt(1, 1);
                        statement.execute();
                    }
                });
                eq("afterwards", "2", one(connection, "SELECT COUNT(*) FROM " + table));
            }
            fails("error among rows " + options[0], List.of(1242), () -> rows(connection,
                    "SELECT t.id, (SELECT u.id FROM " + table + " u WHERE u.id <= t.id) FROM " + table + " t WHERE t.id > ? ORDER BY t.id", 0));
            eq("after an error among rows", "2", one(connection, "SELECT COUNT(*) FROM " + table));
            SQLException error = fails("duplicate", List.of(1062), () -> run(connection, "INSERT INTO " + table + " VALUES (1)"));
            eq("SQLSTATE", "23000", error.getSQLState());
            ok("the server's own message", error.getMessage().contains("Duplicate entry '1'"), error.getMessage());
            drop(connection, table);
        }
        return null;
    }

    private String transaction() throws Exception {
        Connection a = client.connect("useServerPrepStmts=true");
        Connection b = client.connect();
        String table = client.fresh(b, "transaction", "id INT PRIMARY KEY, v INT");
        String count = "SELECT COUNT(*) FROM " + table;
        a.setAutoCommit(false);
        update(a, "INSERT INTO " + table + " VALUES (?, 1)", 1);
        eq("own write", "1", one(a, count));
        eq("others see nothing before COMMIT", "0", one(b, count));
        a.commit();
        eq("others see it after COMMIT", "1", one(b, count));
        update(a, "INSERT INTO " + table + " VALUES (?, 2)", 2);
        a.rollback();
        eq("after ROLLBACK", "1", one(a, count));
        run(b, "INSERT INTO " + table + " VALUES (3, 3)");
        eq("the snapshot stays", "1", one(a, count));
        a.commit();
        eq("a new snapshot", "2", one(a, count));
        a.commit();
        a.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        eq("READ COMMITTED, before", "2", one(a, count));
        run(b, "INSERT INTO " + table + " VALUES (4, 4)");
        eq("READ COMMITTED, after", "3", one(a, count));
        update(a, "INSERT INTO " + table + " VALUES (?, 5)", 5);
        java.sql.Savepoint savepoint = a.setSavepoint();
        update(a, "INSERT INTO " + table + " VALUES (?, 6)", 6);
        a.rollback(savepoint);
        a.commit();
        eq("savepoint", "4", one(b, count));
        update(a, "UPDATE " + table + " SET v = 7 WHERE id = ?", 1);
        run(b, "SET SESSION innodb_lock_wait_timeout = 1");
        fails("lock wait", List.of(1205), () -> run(b, "UPDATE " + table + " SET v = 9 WHERE id = 1"));
        a.abort(Runnable::run);
        Thread.sleep(300);
        eq("nothing left of a lost transaction", "1", one(b, "SELECT v FROM " + table + " WHERE id = 1"));
        try (Connection reader = client.connect()) {
            reader.setReadOnly(true);
            eq("read only: reads", "4", one(reader, count));
            boolean refused = false;
            try {
                run(reader, "INSERT INTO " + table + " VALUES (10, 10)");
            } catch (SQLException error) {
                refused = true;
            }
            if (client.oracle || FLAVOR.equals("mysql")) {
                ok("read only: refuses writes", refused, refused);
            }
        }
        drop(b, table);
        return null;
    }

    private String multiStatement() throws Exception {
        Connection connection = client.connect("allowMultiQueries=true");
        String table = client.fresh(connection, "multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT");
        List<Object> seen = new ArrayList<>();
        try (Statement statement = connection.createStatement()) {
            boolean isRows = statement.execute("INSERT INTO " + table + " (v) VALUES (1),(2); SELECT v FROM " + table
                    + " ORDER BY v; UPDATE " + table + " SET v = v + 10; SELECT 'end'");
            while (isRows || statement.getUpdateCount() != -1) {
                seen.add(isRows ? Client.all(statement.getResultSet()) : statement.getUpdateCount());
                isRows = statement.getMoreResults();
            }
        }
        eq("four results", List.of(2, List.of(List.of(1), List.of(2)), 2, List.of(List.of("end"))), seen);
        fails("error in the second statement", List.of(1064), () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("SELECT 1; SELEKT 2; SELECT 3");
                statement.getMoreResults();
            }
        });
        eq("afterwards", "2", one(connection, "SELECT COUNT(*) FROM " + table));
        drop(connection, table);
        try (Connection plain = client.connect()) {
            fails("without the flag", List.of(1064), () -> run(plain, "SELECT 1; SELECT 2"));
        }
        return null;
    }

    private String procedure() throws Exception {
        for (String[] options : client.bothProtocols()) {
            try (Connection connection = client.connect(options)) {
                run(connection, "DROP PROCEDURE IF EXISTS " + client.pre + "proc");
                run(connection, "CREATE PROCEDURE " + client.pre + "proc(IN n INT, OUT twice INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; SET twice = 2 * n; END");
                try (CallableStatement call = connection.prepareCall("{CALL " + client.pre + "proc(?, ?)}")) {
                    call.setInt(1, 20);
                    call.registerOutParameter(2, java.sql.Types.INTEGER);
                    ok("rows", call.execute(), "no rows");
                    eq("first result set", List.of(List.of(20)), Client.all(call.getResultSet()));
                    ok("a second", call.getMoreResults(), "none");
                    eq("second result set", "x", Client.all(call.getResultSet()).get(0).get(1));
                    while (call.getMoreResults() || call.getUpdateCount() != -1) {
                        ok("only a status follows", call.getUpdateCount() >= 0, call.getUpdateCount());
                    }
                    eq("OUT parameter", 40, call.getInt(2));
                }
                run(connection, "DROP PROCEDURE " + client.pre + "proc");
            }
        }
        return null;
    }

    private String affected() throws Exception {
        for (String[] options : client.bothProtocols()) {
            Connection connection = client.connect(options[0], "useAffectedRows=true");
            String table = client.fresh(connection, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " (v) VALUES (?),(2),(3)", Statement.RETURN_GENERATED_KEYS)) {
                insert.setInt(1, 1);
                eq("INSERT", 3, insert.executeUpdate());
                try (ResultSet keys = insert.getGeneratedKeys()) {
                    ok("generated keys", keys.next(), "none");
                    eq("last insert id", one(connection, "SELECT MIN(id) FROM " + table), keys.getString(1));
                    eq("LAST_INSERT_ID()", one(connection, "SELECT LAST_INSERT_ID()"), keys.getString(1));
                }
            }
            eq("UPDATE: changed", 2, update(connection, "UPDATE " + table + " SET v = ?", 2));
            try (PreparedStatement insert = connection.prepareStatement("INSERT IGNORE INTO " + table + " (v) VALUES (1000), (2000), (?)")) {
                insert.setInt(1, 4);
                eq("INSERT IGNORE", 3, insert.executeUpdate());
                SQLWarning warning = insert.getWarnings();
                eq("warnings", 2, Client.warnings(warning));
                eq("their code", 1264, warning.getErrorCode());
            }
            eq("DELETE", 6, update(connection, "DELETE FROM " + table));
            connection.close();
            Connection found = client.connect(options);
            run(found, "INSERT INTO " + table + " (v) VALUES (1),(2),(3)");
            eq("UPDATE with CLIENT_FOUND_ROWS: matched", 3, update(found, "UPDATE " + table + " SET v = ?", 2));
            drop(found, table);
        }
        return null;
    }

    private String ping() throws Exception {
        try (Connection connection = client.connect()) {
            for (int n = 0; n < 100; n++) {
                ok("isValid", connection.isValid(5), n);
            }
            eq("afterwards", "1", one(connection, "SELECT 1"));
            connection.close();
            ok("isValid after close", !connection.isValid(5), true);
        }
        return null;
    }

    private String prepareCycles() throws Exception {
        try (Connection connection = client.connect(client.bothProtocols().get(1))) {
            for (int n = 0; n < 1000; n++) {
                eq("cycle " + n, List.of(List.of("v" + n)), rows(connection, "SELECT CONCAT(?, " + n + ")", "v"));
            }
            List<PreparedStatement> open = new ArrayList<>();
            for (int n = 0; n < 100; n++) {
                open.add(connection.prepareStatement("SELECT CONCAT(?, " + n + ")"));
            }
            for (int n = 99; n >= 0; n--) {
                open.get(n).setString(1, "w");
                try (ResultSet result = open.get(n).executeQuery()) {
                    eq("100 statements open at once", List.of(List.of("w" + n)), Client.all(result));
                }
            }
        }
        return null;
    }

    private String empty() throws Exception {
        for (String[] options : client.bothProtocols()) {
            Connection connection = client.connect(options);
            String table = client.fresh(connection, "empty", "id INT, s VARCHAR(10)");
            eq("no rows", List.of(), rows(connection, "SELECT * FROM " + table + " WHERE id > ?", 0));
            List<Object> row = rows(connection, "SELECT '', NULL FROM (SELECT 1) t WHERE 1 = ?", 1).get(0);
            eq("empty", "", row.get(0));
            eq("NULL", null, row.get(1));
            StringBuilder wide = new StringBuilder("SELECT 0");
            for (int n = 1; n < 500; n++) {
                wide.append(", ").append(n).append(" AS c").append(n);
            }
            List<Object> got = rows(connection, wide + " FROM (SELECT 1) t WHERE 1 = ?", 1).get(0);
            eq("500 columns", 500, got.size());
            eq("the last", "499", String.valueOf(got.get(499)));
            eq("DO", 0, update(connection, "DO 1"));
            try (Statement statement = connection.createStatement()) {
                ok("a statement without rows", !statement.execute("DO 1"), true);
            }
            drop(connection, table);
        }
        return null;
    }

    /** Batches: MariaDB Connector/J writes them without waiting, Connector/J rewrites them into multi-statements. */
    private String pipeline() throws Exception {
        String[][] ways = client.oracle
                ? new String[][] {{"rewriteBatchedStatements=true"}, {"rewriteBatchedStatements=true", "useServerPrepStmts=true"}}
                : new String[][] {{"useBulkStmts=false"}, {"useServerPrepStmts=true", "useBulkStmts=false"}, {"useServerPrepStmts=true", "useBulkStmts=true"}};
        for (String[] options : ways) {
            Connection connection = client.connect(options);
            String way = String.join(",", options);
            String table = client.fresh(connection, "pipeline", "id INT PRIMARY KEY, v VARCHAR(20)");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
                for (int n = 0; n < 1000; n++) {
                    insert.setInt(1, n);
                    insert.setString(2, "v" + n);
                    insert.addBatch();
                }
                eq("a batch of 1,000 by " + way, 1000, insert.executeBatch().length);
            }
            eq("rows by " + way, "1000 499500", one(connection, "SELECT CONCAT(COUNT(*), ' ', SUM(id)) FROM " + table + " WHERE v = CONCAT('v', id)"));
            try (PreparedStatement update = connection.prepareStatement("UPDATE " + table + " SET v = ? WHERE id = ?")) {
                for (int n = 0; n < 100; n++) {
                    update.setString(1, "w" + n);
                    update.setInt(2, n);
                    update.addBatch();
                }
                eq("a batch of updates by " + way, 100, update.executeBatch().length);
            }
            eq("updated by " + way, "100", one(connection, "SELECT COUNT(*) FROM " + table + " WHERE v = CONCAT('w', id)"));
            fails("a duplicate in a batch by " + way, List.of(1062), () -> {
                try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
                    for (int n = 995; n < 1005; n++) {
                        insert.setInt(1, n);
                        insert.setString(2, "x");
                        insert.addBatch();
                    }
                    insert.executeBatch();
                }
            });
            eq("afterwards", "1", one(connection, "SELECT 1"));
            drop(connection, table);
        }
        return client.oracle ? "batches rewritten into multi-statements" : "batches written ahead, and COM_STMT_BULK_EXECUTE";
    }
}

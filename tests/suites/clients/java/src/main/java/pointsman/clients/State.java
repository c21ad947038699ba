package pointsman.clients;

import static pointsman.clients.Client.DATABASE;
import static pointsman.clients.Client.FLAVOR;
import static pointsman.clients.Client.PASSWORD;
import static pointsman.clients.Client.USER;
import static pointsman.clients.Client.drop;
import static pointsman.clients.Client.one;
import static pointsman.clients.Client.rows;
import static pointsman.clients.Client.run;
import static pointsman.clients.Suite.eq;
import static pointsman.clients.Suite.fails;
import static pointsman.clients.Suite.ok;

import com.mysql.cj.jdbc.JdbcConnection;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** What a session carries, and what another session may do to it. */
final class State {
    private final Client client;

    State(Client client) {
        this.client = client;
    }

    void register(Suite suite) {
        if (client.oracle) {
            suite.feature("change_user", this::changeUser);
        } else {
            suite.hasNot("change_user", "the driver has no COM_CHANGE_USER");
        }
        if (client.oracle || FLAVOR.equals("mariadb")) {
            suite.feature("reset_connection", this::reset);
        } else {
            suite.hasNot("reset_connection", "the driver resets MariaDB servers only");
        }
        suite.feature("schema", this::schema);
        suite.feature("kill_query", this::kill);
    }

    private void soil(Connection connection) throws SQLException {
        run(connection, "SET @v = 42, SESSION group_concat_max_len = 777");
        run(connection, "CREATE TEMPORARY TABLE " + client.pre + "temp (id INT)");
        eq("user variable", "42", one(connection, "SELECT @v"));
    }

    private void checkClean(Connection connection) throws Exception {
        eq("user variable", null, one(connection, "SELECT @v"));
        ok("session variable", !one(connection, "SELECT @@group_concat_max_len").equals("777"), 777);
        eq("schema", DATABASE, one(connection, "SELECT DATABASE()"));
        fails("temporary table", List.of(1146), () -> run(connection, "SELECT * FROM " + client.pre + "temp"));
    }

    private String changeUser() throws Exception {
        try (Connection connection = client.connect("useServerPrepStmts=true")) {
            for (int round = 0; round < 3; round++) {
                soil(connection);
                connection.unwrap(JdbcConnection.class).changeUser(USER, PASSWORD);
                checkClean(connection);
                eq("a prepared statement afterwards", List.of(List.of("x" + round)), rows(connection, "SELECT CONCAT(?, " + round + ")", "x"));
            }
            fails("wrong password", List.of(1045), () -> connection.unwrap(JdbcConnection.class).changeUser(USER, PASSWORD + "x"));
        }
        return null;
    }

    private String reset() throws Exception {
        Connection connection = client.connect("useServerPrepStmts=true", "useResetConnection=true");
        String table = client.fresh(connection, "reset", "id INT");
        for (int round = 0; round < 3; round++) {
            soil(connection);
            if (client.oracle) {
                run(connection, "START TRANSACTION");
                run(connection, "INSERT INTO " + table + " VALUES (1)");
                connection.unwrap(JdbcConnection.class).resetServerState();
            } else {
                connection.unwrap(org.mariadb.jdbc.Connection.class).reset();
            }
            checkClean(connection);
            eq("the open transaction is rolled back", "0", one(connection, "SELECT COUNT(*) FROM " + table));
            eq("a prepared statement afterwards", List.of(List.of("x" + round)), rows(connection, "SELECT CONCAT(?, " + round + ")", "x"));
        }
        drop(connection, table);
        return client.oracle ? "resetServerState" : null;
    }

    private String schema() throws Exception {
        for (String[] options : client.bothProtocols()) {
            Connection connection = client.connect(options);
            String table = client.fresh(connection, "schema", "id INT");
            connection.setCatalog("information_schema");
            eq("setCatalog", "information_schema", one(connection, "SELECT DATABASE()"));
            fails("the table is elsewhere", List.of(1109, 1146), () -> rows(connection, "SELECT * FROM " + table + " WHERE id = ?", 1));
            run(connection, "USE " + DATABASE);
            eq("USE", DATABASE, one(connection, "SELECT DATABASE()"));
            connection.setCatalog(DATABASE);
            eq("rows", List.of(), rows(connection, "SELECT * FROM " + table + " WHERE id = ?", 1));
            fails("unknown schema", List.of(1044, 1049), () -> connection.setCatalog("no_such_schema"));
            eq("stays after the error", DATABASE, one(connection, "SELECT DATABASE()"));
            drop(connection, table);
        }
        return null;
    }

    private String kill() throws Exception {
        Connection connection = client.connect();
        Connection other = client.connect();
        String table = client.fresh(connection, "kill", "id INT");
        run(connection, "INSERT INTO " + table + " VALUES (1), (2)");
        String sleep = "SELECT SLEEP(20), id FROM " + table;
        String id = one(connection, "SELECT CONNECTION_ID()");
        CompletableFuture<Object> outcome = CompletableFuture.supplyAsync(() -> outcome(connection, sleep));
        awaitSleep(other, sleep);
        run(other, "KILL QUERY " + id);
        eq("KILL QUERY by CONNECTION_ID(): the statement's error", 1317, outcome.get());
        eq("afterwards", "2", one(connection, "SELECT COUNT(*) FROM " + table));
        // Statement.cancel and a query timeout open a connection of their own and kill by the greeting's id.
        Statement statement = connection.createStatement();
        outcome = CompletableFuture.supplyAsync(() -> outcome(statement, sleep));
        awaitSleep(other, sleep);
        statement.cancel();
        ok("cancel by the greeting's id: an error", !outcome.get().equals("rows"), outcome.get());
        eq("afterwards", "2", one(connection, "SELECT COUNT(*) FROM " + table));
        long began = System.nanoTime();
        statement.setQueryTimeout(5);
        ok("a query timeout: an error", !outcome(statement, sleep).equals("rows"), "rows");
        eq("afterwards", "2", one(connection, "SELECT COUNT(*) FROM " + table));
        ok("it ends soon", System.nanoTime() - began < 30_000_000_000L, (System.nanoTime() - began) / 1_000_000);
        connection.close();
        drop(other, table);
        return null;
    }

    private static Object outcome(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            return outcome(statement, sql);
        } catch (SQLException error) {
            return error.getErrorCode();
        }
    }

    private static Object outcome(Statement statement, String sql) {
        try {
            statement.executeQuery(sql);
            return "rows";
        } catch (SQLException error) {
            return error.getErrorCode();
        }
    }

    private static void awaitSleep(Connection other, String sleep) throws Exception {
        for (int n = 0; n < 600; n++) {
            if (!one(other, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE '" + sleep + "%'").equals("0")) {
                return;
            }
            Thread.sleep(50);
        }
        ok("the statement to kill is in the process list", false, "nothing in 600 looks");
    }
}

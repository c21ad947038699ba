package pointsman.clients;

import static pointsman.clients.Suite.MIB;
import static pointsman.clients.Suite.eq;
import static pointsman.clients.Suite.fails;
import static pointsman.clients.Suite.ok;
import static pointsman.clients.Suite.setting;
import static pointsman.clients.Suite.shared;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** What both JDBC drivers share: `Client connj` is MySQL Connector/J, `Client mariadbj` MariaDB Connector/J. */
public final class Client {
    static final String HOST = setting("HOST", "127.0.0.1");
    static final String PORT = setting("PORT", "3306");
    static final String USER = setting("USER", "app");
    static final String PASSWORD = setting("PASSWORD", "app");
    static final String DATABASE = setting("DATABASE", "test");
    static final String FLAVOR = setting("FLAVOR", "mariadb");
    static final boolean TLS = setting("TLS", "0").equals("1");

    final boolean oracle;
    final String pre;

    Client(boolean oracle) {
        this.oracle = oracle;
        this.pre = oracle ? "connj_" : "mariadbj_";
    }

    public static void main(String[] args) {
        Client client = new Client(args[0].equals("connj"));
        Suite suite = new Suite(args[0]);
        new Basics(client).register(suite);
        new Data(client).register(suite);
        new State(client).register(suite);
        suite.run();
    }

    /** Options are name=value pairs on top of the defaults. */
    Connection connect(String... options) throws SQLException {
        return connectTo(DATABASE, USER, PASSWORD, options);
    }

    Connection connectTo(String database, String user, String password, String... options) throws SQLException {
        Properties given = new Properties();
        given.setProperty("user", user);
        given.setProperty("password", password);
        given.setProperty("sslMode", TLS ? (oracle ? "REQUIRED" : "trust") : oracle ? "DISABLED" : "disable");
        given.setProperty("allowPublicKeyRetrieval", "true");
        given.setProperty("connectTimeout", "15000");
        given.setProperty("allowLoadLocalInfile", "true");
        given.setProperty("allowLocalInfile", "true");
        given.setProperty("connectionTimeZone", "UTC");
        given.setProperty(oracle ? "forceConnectionTimeZoneToSession" : "timezone", oracle ? "true" : "UTC");
        for (String option : options) {
            given.setProperty(option.substring(0, option.indexOf('=')), option.substring(option.indexOf('=') + 1));
        }
        return DriverManager.getConnection("jdbc:" + (oracle ? "mysql" : "mariadb") + "://" + HOST + ":" + PORT + "/" + database, given);
    }

    /** The options for text statements with parameters, and for statements that the server prepares. */
    List<String[]> bothProtocols() {
        return List.of(new String[] {"useServerPrepStmts=false"}, new String[] {"useServerPrepStmts=true", "cachePrepStmts=false"});
    }

    static int update(Connection connection, String sql, Object... args) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            set(statement, args);
            return statement.executeUpdate();
        }
    }

    static void set(PreparedStatement statement, Object... args) throws SQLException {
        for (int at = 0; at < args.length; at++) {
            statement.setObject(at + 1, args[at]);
        }
    }

    /** Runs one statement in the text protocol. */
    static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static List<List<Object>> rows(Connection connection, String sql, Object... args) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            set(statement, args);
            try (ResultSet result = statement.executeQuery()) {
                return all(result);
            }
        }
    }

    static List<List<Object>> all(ResultSet result) throws SQLException {
        List<List<Object>> rows = new ArrayList<>();
        int columns = result.getMetaData().getColumnCount();
        while (result.next()) {
            List<Object> row = new ArrayList<>();
            for (int at = 1; at <= columns; at++) {
                row.add(result.getObject(at));
            }
            rows.add(row);
        }
        return rows;
    }

    /** The first column of the first row as text; null for NULL. */
    static String one(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
            ok(sql, result.next(), "no row");
            return result.getString(1);
        }
    }

    String fresh(Connection connection, String name, String columns) throws SQLException {
        run(connection, "DROP TABLE IF EXISTS " + pre + name);
        run(connection, "CREATE TABLE " + pre + name + " (" + columns + ") CHARACTER SET utf8mb4");
        return pre + name;
    }

    static void drop(Connection connection, String table) throws SQLException {
        run(connection, "DROP TABLE " + table);
        connection.close();
    }

    static int warnings(SQLWarning first) {
        int count = 0;
        for (SQLWarning warning = first; warning != null; warning = warning.getNextWarning()) {
            count++;
        }
        return count;
    }
}

package pointsman.clients;

import static pointsman.clients.Client.FLAVOR;
import static pointsman.clients.Client.drop;
import static pointsman.clients.Client.one;
import static pointsman.clients.Client.run;
import static pointsman.clients.Client.update;
import static pointsman.clients.Suite.EDGE_ROW;
import static pointsman.clients.Suite.EDGE_TEXT;
import static pointsman.clients.Suite.MIB;
import static pointsman.clients.Suite.eq;
import static pointsman.clients.Suite.fails;
import static pointsman.clients.Suite.ok;
import static pointsman.clients.Suite.setting;
import static pointsman.clients.Suite.shared;

import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.HexFormat;
import java.util.List;

/** Values of all types, in both protocols; much data in both directions; character sets; cursors. */
final class Data {
    private final Client client;
    private final byte[] allBytes = new byte[256];

    Data(Client client) {
        this.client = client;
        for (int at = 0; at < 256; at++) {
            allBytes[at] = (byte) at;
        }
    }

    void register(Suite suite) {
        suite.feature("text", () -> types(0));
        suite.feature("prepared", () -> types(1));
        suite.feature("big_result", this::bigResult);
        suite.feature("big_packet", this::bigPacket);
        suite.feature("load_data", this::loadData);
        suite.feature("charset", this::charset);
        suite.feature("cursor", this::cursor);
    }

    private String types(int protocol) throws Exception {
        Connection connection = client.connect(client.bothProtocols().get(protocol));
        String table = client.pre + (protocol == 0 ? "text" : "prepared");
        run(connection, "SET time_zone = '+00:00'");
        run(connection, "DROP TABLE IF EXISTS " + table);
        run(connection, shared("types_create.sql", table));
        eq("inserted", 3, update(connection, shared("types_insert.sql", table)));
        check(connection, table);
        eq("deleted", 3, update(connection, "DELETE FROM " + table));
        insert(connection, table);
        check(connection, table);
        drop(connection, table);
        return null;
    }

    private void insert(Connection connection, String table) throws Exception {
        Object[][] rows = {
            {1, 127, 255, 32767, 8388607, Integer.MAX_VALUE, 4294967295L, Long.MAX_VALUE, new BigInteger("18446744073709551615"), 1.5f, 1.25e100,
                new BigDecimal("12345678901234567890.0123456789"), "héllo €", "abc", "long".repeat(1000), allBytes, new byte[] {0, 1, -2, -1},
                LocalDate.of(2024, 2, 29), LocalDateTime.of(2024, 12, 31, 23, 59, 59, 123456000), LocalDateTime.of(2024, 6, 15, 12, 34, 56),
                "12:34:56.5", 2024, "b", "x,z", "{\"a\": [1, null]}"},
            {2, -128, 0, -32768, -8388608, Integer.MIN_VALUE, 0L, Long.MIN_VALUE, BigInteger.ZERO, -1.5f, -2.5e-10, new BigDecimal("-0.0000000001"),
                "", "", "", new byte[0], new byte[4], LocalDate.of(1000, 1, 1), LocalDateTime.of(1000, 1, 1, 0, 0), LocalDateTime.of(2000, 1, 1, 0, 0),
                "-123:04:05.678901", 1901, "a", "", "[]"},
            new Object[25],
        };
        rows[2][0] = 3;
        if (client.oracle && FLAVOR.equals("mariadb")) {
            // Taking MariaDB for an old MySQL, the driver leaves microseconds out and sends no BigInteger over 2^63 - 1.
            rows[0][8] = rows[0][8].toString();
            rows[0][18] = "2024-12-31 23:59:59.123456";
        } else if (!client.oracle && FLAVOR.equals("mysql")) {
            // The driver sends a date in a form that MySQL calls malformed.
            rows[0][17] = rows[0][17].toString();
            rows[1][17] = rows[1][17].toString();
        }
        for (Object[] row : rows) {
            eq("INSERT", 1, update(connection, "INSERT INTO " + table + " VALUES (" + "?,".repeat(24) + "?)", row));
        }
    }

    private void check(Connection connection, String table) throws Exception {
        eq("the server's own verdict", "111", one(connection, shared("types_check.sql", table)));
        try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM " + table + " WHERE id > ? ORDER BY id")) {
            statement.setInt(1, 0);
            try (ResultSet r = statement.executeQuery()) {
                ok("row 1", r.next(), "none");
                eq("row 1, integers", List.of(127, 255, 32767, 8388607, Integer.MAX_VALUE), List.of(r.getInt("ti"), r.getInt("tu"), r.getInt("si"), r.getInt("mi"), r.getInt("i")));
                eq("row 1, long integers", List.of(4294967295L, Long.MAX_VALUE), List.of(r.getLong("iu"), r.getLong("bi")));
                eq("row 1, unsigned", new BigDecimal("18446744073709551615"), r.getBigDecimal("bu"));
                eq("row 1, floats", List.of(1.5f, 1.25e100), List.of(r.getFloat("f"), r.getDouble("d")));
                eq("row 1, decimal", new BigDecimal("12345678901234567890.0123456789"), r.getBigDecimal("de"));
                eq("row 1, strings", List.of("héllo €", "abc", "long".repeat(1000)), List.of(r.getString("vc"), r.getString("ch"), r.getString("tx")));
                eq("row 1, blob", allBytes, r.getBytes("bl"));
                eq("row 1, binary", new byte[] {0, 1, -2, -1}, r.getBytes("bn"));
                eq("row 1, date", LocalDate.of(2024, 2, 29), r.getObject("dt", LocalDate.class));
                eq("row 1, datetime", LocalDateTime.of(2024, 12, 31, 23, 59, 59, 123456000), r.getObject("dtm", LocalDateTime.class));
                eq("row 1, timestamp", LocalDateTime.of(2024, 6, 15, 12, 34, 56), r.getObject("ts", LocalDateTime.class));
                ok("row 1, time", r.getString("tm").startsWith("12:34:56.5"), r.getString("tm"));
                eq("row 1, enum and set", List.of("b", "x,z"), List.of(r.getString("en"), r.getString("st")));
                eq("row 1, year", 2024, r.getInt("yr"));
                eq("row 1, JSON", "{\"a\":[1,null]}", r.getString("js").replace(" ", ""));
                ok("row 2", r.next(), "none");
                eq("row 2, integers", List.of(-128, 0, -32768, -8388608, Integer.MIN_VALUE), List.of(r.getInt("ti"), r.getInt("tu"), r.getInt("si"), r.getInt("mi"), r.getInt("i")));
                eq("row 2, long integers", List.of(0L, Long.MIN_VALUE, 0L), List.of(r.getLong("iu"), r.getLong("bi"), r.getLong("bu")));
                eq("row 2, floats", List.of(-1.5f, -2.5e-10), List.of(r.getFloat("f"), r.getDouble("d")));
                eq("row 2, decimal", new BigDecimal("-0.0000000001"), r.getBigDecimal("de"));
                eq("row 2, strings", List.of("", "", ""), List.of(r.getString("vc"), r.getString("ch"), r.getString("tx")));
                eq("row 2, blob", new byte[0], r.getBytes("bl"));
                eq("row 2, binary", new byte[4], r.getBytes("bn"));
                eq("row 2, date", LocalDate.of(1000, 1, 1), r.getObject("dt", LocalDate.class));
                eq("row 2, datetime", LocalDateTime.of(1000, 1, 1, 0, 0), r.getObject("dtm", LocalDateTime.class));
                eq("row 2, time", "-123:04:05.678901", r.getString("tm"));
                ok("row 3", r.next(), "none");
                for (int at = 2; at <= 25; at++) {
                    eq("row 3, column " + at, null, r.getObject(at));
                }
                ok("no row 4", !r.next(), "a row");
            }
        }
    }

    private String bigResult() throws Exception {
        for (String[] options : client.bothProtocols()) {
            try (Connection connection = client.connect(options); PreparedStatement statement = connection.prepareStatement(shared("big.sql", "") + " WHERE n >= ?")) {
                statement.setInt(1, 0);
                try (ResultSet result = statement.executeQuery()) {
                    read(result, 0);
                }
                eq("afterwards", "1", one(connection, "SELECT 1"));
            }
        }
        return null;
    }

    private static void read(ResultSet result, int restMs) throws Exception {
        Suite.Big big = new Suite.Big();
        for (int n = 1; result.next(); n++) {
            big.row(result.getLong(1), result.getString(2));
            if (restMs > 0 && n % 50000 == 0) {
                Thread.sleep(restMs);
            }
        }
        big.check();
    }

    private String bigPacket() throws Exception {
        byte[] blob = Suite.pattern(20 * MIB, 0);
        for (String[] options : client.bothProtocols()) {
            Connection connection = client.connect(options);
            String table = client.fresh(connection, "big_packet", "id INT PRIMARY KEY, b LONGBLOB");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
                insert.setInt(1, 1);
                insert.setBytes(2, blob);
                eq("INSERT", 1, insert.executeUpdate());
                insert.setInt(1, 2);
                insert.setBinaryStream(2, new ByteArrayInputStream(blob), blob.length); // COM_STMT_SEND_LONG_DATA when prepared
                eq("INSERT of a stream", 1, insert.executeUpdate());
            }
            for (int id = 1; id <= 2; id++) {
                try (PreparedStatement select = connection.prepareStatement("SELECT LENGTH(b), b FROM " + table + " WHERE id = ?")) {
                    select.setInt(1, id);
                    try (ResultSet result = select.executeQuery()) {
                        ok("a row", result.next(), "none");
                        eq("stored length", 20 * MIB, result.getInt(1));
                        eq("20 MiB blob " + id + " round trip " + options[0], blob, result.getBytes(2));
                    }
                }
            }
            drop(connection, table);
        }
        try (Connection connection = client.connect()) {
            String literal = Suite.letters(20 * MIB);
            eq("20 MiB literal round trip", literal, one(connection, "SELECT '" + literal + "' AS v"));
            int around = "SELECT LENGTH('')".length();
            for (int size : EDGE_TEXT) {
                eq("a statement of " + size + " bytes", size - around, Integer.parseInt(one(connection, "SELECT LENGTH('" + literal.substring(0, size - around) + "')")));
            }
            for (int size : EDGE_ROW) {
                String back = one(connection, "SELECT REPEAT('x', " + size + ")");
                ok("a row with " + size + " bytes", back.equals("x".repeat(size)), back);
            }
        }
        return null;
    }

    private String loadData() throws Exception {
        Connection connection = client.connect();
        String table = client.fresh(connection, "load", "id INT PRIMARY KEY, name VARCHAR(40), v INT");
        String file = setting("LOAD_FILE", "");
        String load = "LOAD DATA LOCAL INFILE '%s' INTO TABLE %s";
        eq("affected", 10000, update(connection, load.formatted(file, table)));
        eq("rows", "10000 50005000 1000 90000000 line 777", one(connection, "SELECT CONCAT_WS(' ', COUNT(*), SUM(id), SUM(v IS NULL), SUM(v), MAX(IF(id = 777, name, ''))) FROM " + table));
        fails("no such table", List.of(1146), () -> run(connection, load.formatted(file, table + "_none")));
        eq("after the error", "1", one(connection, "SELECT 1"));
        boolean refused = false;
        try {
            run(connection, load.formatted("/no/such/file", table));
        } catch (java.sql.SQLException error) {
            refused = true;
        }
        ok("no such file", refused, refused);
        eq("after no file", "10000", one(connection, "SELECT COUNT(*) FROM " + table));
        Path none = Files.createTempFile("pointsman", ".tsv");
        eq("an empty file", 0, update(connection, load.formatted(none, table)));
        Files.delete(none);
        drop(connection, table);
        return null;
    }

    private String charset() throws Exception {
        Connection connection = client.connect("useServerPrepStmts=true");
        String table = client.fresh(connection, "charset", "id INT PRIMARY KEY, s VARCHAR(100)");
        String word = "naïve €-中文-🚂🎉";
        update(connection, "INSERT INTO " + table + " VALUES (1, ?)", word);
        eq("stored as utf8mb4", HexFormat.of().withUpperCase().formatHex(word.getBytes(StandardCharsets.UTF_8)), one(connection, "SELECT HEX(s) FROM " + table));
        eq("utf8mb4 back", word, one(connection, "SELECT s FROM " + table));
        eq("utf8mb4 back, prepared", word, Client.rows(connection, "SELECT s FROM " + table + " WHERE id = ?", 1).get(0).get(0));
        if (client.oracle) {
            try (Connection latin = client.connect("characterEncoding=ISO-8859-1", "useServerPrepStmts=true")) {
                eq("character set", "latin1", one(latin, "SELECT @@character_set_client"));
                update(latin, "INSERT INTO " + table + " VALUES (2, ?)", "café");
                eq("latin1 back", "café", one(latin, "SELECT s FROM " + table + " WHERE id = 2"));
                eq("latin1 sent, utf8mb4 stored", "636166C3A9", one(latin, "SELECT HEX(s) FROM " + table + " WHERE id = 2"));
            }
        }
        drop(connection, table);
        return client.oracle ? null : "utf8mb4 only: the driver knows no other";
    }

    private String cursor() throws Exception {
        String[][] ways = client.oracle ? new String[][] {{"useCursorFetch=true"}, {"useServerPrepStmts=false"}} : client.bothProtocols().toArray(new String[0][]);
        for (String[] options : ways) {
            boolean onServer = options[0].equals("useCursorFetch=true");
            try (Connection connection = client.connect(options)) {
                String table = client.fresh(connection, "cursor", "id INT PRIMARY KEY");
                run(connection, "INSERT INTO " + table + " VALUES (1)");
                try (PreparedStatement statement = connection.prepareStatement(shared("big.sql", "") + " WHERE n >= ?")) {
                    statement.setInt(1, 0);
                    statement.setFetchSize(client.oracle && !onServer ? Integer.MIN_VALUE : 1000);
                    try (ResultSet result = statement.executeQuery()) {
                        read(result, 50);
                    }
                }
                if (onServer) {
                    interleaved(connection, table);
                }
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(client.oracle && !onServer ? Integer.MIN_VALUE : 10);
                    try (ResultSet result = statement.executeQuery(shared("big.sql", ""))) {
                        ok("a row", result.next(), "none");
                        // Closed with most rows unread.
                    }
                }
                eq("afterwards", "1", one(connection, "SELECT 1"));
                run(connection, "DROP TABLE " + table);
            }
        }
        return client.oracle ? "server-side cursors by COM_STMT_FETCH, and rows as they come" : "rows as they come: the driver has no server-side cursor";
    }

    /** Two server-side cursors open at once, with other statements between their fetches. */
    private void interleaved(Connection connection, String table) throws Exception {
        try (PreparedStatement first = connection.prepareStatement("SELECT n FROM (" + shared("big.sql", "") + ") b WHERE n < ? ORDER BY n");
                PreparedStatement second = connection.prepareStatement("SELECT n FROM (" + shared("big.sql", "") + ") b WHERE n < ? ORDER BY n DESC")) {
            first.setInt(1, 100);
            first.setFetchSize(10);
            second.setInt(1, 100);
            second.setFetchSize(7);
            try (ResultSet up = first.executeQuery(); ResultSet down = second.executeQuery()) {
                for (int n = 0; n < 100; n++) {
                    ok("rows of both cursors", up.next() && down.next(), n);
                    eq("two cursors at once", List.of(n, 99 - n), List.of(up.getInt(1), down.getInt(1)));
                    if (n % 9 == 0) {
                        eq("a statement between fetches", "1", one(connection, "SELECT COUNT(*) FROM " + table));
                        eq("a write between fetches", 1, update(connection, "UPDATE " + table + " SET id = ?", 1));
                    }
                }
                ok("both ended", !up.next() && !down.next(), "a row");
            }
        }
    }
}

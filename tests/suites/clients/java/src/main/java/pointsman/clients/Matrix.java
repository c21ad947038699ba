package pointsman.clients;

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** `Matrix connj|mariadbj` logs in as the lines of its standard input say: see matrix/README.md of the suites' folder. */
public final class Matrix {
    private static final String STORE_PASSWORD = "pointsman";
    private final boolean oracle;
    private final Map<String, String> stores = new HashMap<>();

    private Matrix(boolean oracle) {
        this.oracle = oracle;
    }

    public static void main(String[] args) throws Exception {
        // Connector/J logs each broken connection.
        java.util.logging.LogManager.getLogManager().reset();
        Matrix matrix = new Matrix(args[0].equals("connj"));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        System.out.println(matrix.version());
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(matrix.answer(line.split("\t", -1)).replaceAll("[\r\n]+", " "));
        }
    }

    private String version() throws SQLException {
        String url = oracle ? "jdbc:mysql://localhost/" : "jdbc:mariadb://localhost/";
        // "mysql-connector-j-9.4.0 (Revision: …)", in place of the number of two parts that JDBC asks for.
        String name = DriverManager.getDriver(url).getClass().getProtectionDomain().getCodeSource().getLocation().getPath();
        return name.replaceAll(".*-([0-9.]+)\\.jar$", "$1");
    }

    private String answer(String[] cell) {
        try {
            return login(cell);
        } catch (SQLException e) {
            String state = e.getSQLState() == null ? e.getClass().getSimpleName() : "SQLSTATE " + e.getSQLState();
            return "error\t" + (e.getErrorCode() > 0 ? String.valueOf(e.getErrorCode()) : state) + "\t" + e.getMessage();
        } catch (Exception e) {
            return "error\t" + e.getClass().getSimpleName() + "\t" + e.getMessage();
        }
    }

    private String login(String[] cell) throws Exception {
        String host = cell[0];
        String port = cell[1];
        String row = cell[6];
        String value = cell[7];
        Properties given = new Properties();
        given.setProperty("user", cell[2]);
        given.setProperty("password", cell[3]);
        given.setProperty("allowPublicKeyRetrieval", "true");
        given.setProperty("connectTimeout", "10000");
        channel(given, cell[4], cell[5]);
        String url = "jdbc:" + (oracle ? "mysql" : "mariadb") + "://" + host + ":" + port + "/test";
        try (Connection connection = DriverManager.getConnection(url, given); Statement statement = connection.createStatement()) {
            String who = first(statement, "SELECT CURRENT_USER()");
            statement.execute("REPLACE INTO logins VALUES ('" + row + "', '" + value + "')");
            return "ok\t" + who + "\t" + first(statement, "SELECT value FROM logins WHERE id = '" + row + "'");
        }
    }

    private void channel(Properties given, String tls, String ca) throws Exception {
        switch (tls) {
            case "none" -> given.setProperty("sslMode", oracle ? "DISABLED" : "disable");
            case "required" -> given.setProperty("sslMode", oracle ? "REQUIRED" : "trust");
            default -> {
                given.setProperty("sslMode", oracle ? "VERIFY_IDENTITY" : "verify-full");
                if (oracle) {
                    given.setProperty("trustCertificateKeyStoreUrl", "file:" + store(ca));
                    given.setProperty("trustCertificateKeyStoreType", "PKCS12");
                    given.setProperty("trustCertificateKeyStorePassword", STORE_PASSWORD);
                    given.setProperty("fallbackToSystemTrustStore", "false");
                } else {
                    given.setProperty("serverSslCert", ca);
                }
            }
        }
    }

    /** Connector/J takes a CA from a key store only. */
    private String store(String ca) throws IOException, GeneralSecurityException {
        if (!stores.containsKey(ca)) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            try (InputStream pem = new FileInputStream(ca)) {
                store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
            }
            Path file = Path.of(ca + ".p12");
            try (OutputStream out = Files.newOutputStream(file)) {
                store.store(out, STORE_PASSWORD.toCharArray());
            }
            stores.put(ca, file.toString());
        }
        return stores.get(ca);
    }

    private static String first(Statement statement, String sql) throws SQLException {
        try (ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }
}

package pointsman.clients;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Workers on HikariCP while proxies are restarted: every error is the application's to see, nothing is tried again
 * here. Ends when its standard input does. Each argument is a pool: {@code name:driver:bypass:lifetime:workers}, with
 * com.zaxxer.hikari.aliveBypassWindowMs and maxLifetime in milliseconds (- is HikariCP's own), and how many workers
 * wait not at all, for 5 to 50 ms, for 200 to 900 ms, and for 1 to 4 s between two units of work.
 */
public final class Rolling {
    private static final String[] THINKS = {"none", "5-50ms", "200-900ms", "1-4s"};
    private static final int[][] PAUSES = {{0, 0}, {5, 50}, {200, 900}, {1000, 4000}};
    private static final CountDownLatch STOP = new CountDownLatch(1);

    /** What one worker does with a connection; returns how many statements that were. */
    private interface Unit {
        int run(Connection connection) throws SQLException;
    }

    private static final class Worker extends Thread {
        final HikariDataSource pool;
        final String name, table;
        final int id, think;
        int next, statements, failed;
        final Set<Integer> written = new HashSet<>(), unknown = new HashSet<>(), pending = new HashSet<>();

        Worker(HikariDataSource pool, String name, int id, int think) {
            this.pool = pool;
            this.name = name;
            this.table = "rolling_" + name;
            this.id = id;
            this.think = think;
        }

        int row() {
            pending.add(++next);
            return next;
        }

        int text(Connection c) throws SQLException {
            try (var s = c.createStatement()) {
                s.executeUpdate("INSERT INTO " + table + " VALUES (" + id + ", " + row() + ")");
            }
            return 1;
        }

        int read(Connection c) throws SQLException {
            try (var s = c.createStatement();
                    var rows = s.executeQuery("SELECT n FROM " + table + " WHERE worker = " + id + " ORDER BY n DESC LIMIT 3")) {
                while (rows.next()) { }
            }
            return 1;
        }

        int parameters(Connection c) throws SQLException {
            try (var s = c.prepareStatement("SELECT n FROM " + table + " WHERE worker = ? ORDER BY n LIMIT 3")) {
                s.setInt(1, id);
                try (var rows = s.executeQuery()) {
                    while (rows.next()) { }
                }
            }
            return 1;
        }

        int prepared(Connection c) throws SQLException {
            try (var s = c.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
                s.setInt(1, id);
                s.setInt(2, row());
                s.executeUpdate();
            }
            return 1;
        }

        int transaction(Connection c) throws SQLException {
            c.setAutoCommit(false);
            try {
                prepared(c);
                sleep(ThreadLocalRandom.current().nextInt(5));
                read(c);
                text(c);
                c.commit();
                return 4;
            } catch (InterruptedException e) {
                throw new SQLException(e);
            }
        }

        void unit() {
            Unit[] units = {this::text, this::read, this::parameters, this::prepared, this::transaction};
            pending.clear();
            Set<Integer> to = written;
            int which = ThreadLocalRandom.current().nextInt(units.length);
            try (Connection c = pool.getConnection()) {
                statements += units[which].run(c);
            } catch (SQLException e) {
                to = unknown;
                failed++;
                System.out.println("failed " + name + " " + THINKS[think] + " " + LocalTime.now() + " unit " + which + ": "
                        + e.getErrorCode() + " " + e.getSQLState() + " " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
                if (System.getenv("PM_VERBOSE") != null) {
                    e.printStackTrace();
                }
            }
            to.addAll(pending);
        }

        @Override
        public void run() {
            try {
                do {
                    unit();
                } while (!STOP.await(ThreadLocalRandom.current().nextInt(PAUSES[think][0], PAUSES[think][1] + 1), TimeUnit.MILLISECONDS));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static HikariDataSource open(String[] spec) throws SQLException {
        // Read by each pool as it is made.
        if (spec[2].equals("-")) {
            System.clearProperty("com.zaxxer.hikari.aliveBypassWindowMs");
        } else {
            System.setProperty("com.zaxxer.hikari.aliveBypassWindowMs", spec[2]);
        }
        HikariConfig config = new HikariConfig();
        boolean oracle = spec[1].equals("connj");
        config.setJdbcUrl("jdbc:" + (oracle ? "mysql" : "mariadb") + "://" + System.getenv("PM_HOST") + ":" + System.getenv("PM_PORT") + "/"
                + System.getenv("PM_DATABASE") + "?useServerPrepStmts=true&allowPublicKeyRetrieval=true&sslMode="
                + (oracle ? "DISABLED" : "disable"));
        config.setUsername(System.getenv("PM_USER"));
        config.setPassword(System.getenv("PM_PASSWORD"));
        config.setMaximumPoolSize(20);
        if (!spec[3].equals("-")) {
            config.setMaxLifetime(Long.parseLong(spec[3]));
        }
        HikariDataSource pool = new HikariDataSource(config);
        try (Connection c = pool.getConnection(); var s = c.createStatement()) {
            s.execute("DROP TABLE IF EXISTS rolling_" + spec[0]);
            s.execute("CREATE TABLE rolling_" + spec[0] + " (worker INT, n INT, PRIMARY KEY (worker, n))");
        }
        return pool;
    }

    /** Compares the table with what the workers were told. */
    private static String rows(HikariDataSource pool, String name, List<Worker> workers) throws SQLException {
        Set<Long> there = new HashSet<>();
        try (Connection c = pool.getConnection()) {
            c.setAutoCommit(false); // on the primary
            try (var s = c.createStatement(); var rows = s.executeQuery("SELECT worker, n FROM rolling_" + name)) {
                while (rows.next()) {
                    there.add(rows.getLong(1) << 32 | rows.getLong(2));
                }
            }
            c.commit();
        }
        int expected = 0, missing = 0, uncertain = 0;
        for (Worker w : workers) {
            expected += w.written.size();
            missing += (int) w.written.stream().filter(n -> !there.contains((long) w.id << 32 | n)).count();
            uncertain += (int) w.unknown.stream().filter(n -> there.contains((long) w.id << 32 | n)).count();
        }
        if (missing == 0 && there.size() == expected + uncertain) {
            return "ok " + name + " rows " + there.size();
        }
        return "FAIL " + name + " rows " + there.size() + " there, " + expected + " acknowledged, of which " + missing + " are missing, "
                + uncertain + " of failed statements";
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, HikariDataSource> pools = new LinkedHashMap<>();
        Map<String, List<Worker>> workers = new LinkedHashMap<>();
        for (String argument : arguments) {
            String[] spec = argument.split(":");
            HikariDataSource pool = open(spec);
            pools.put(spec[0], pool);
            List<Worker> all = workers.computeIfAbsent(spec[0], name -> new ArrayList<>());
            String[] counts = spec[4].split(",");
            for (int think = 0; think < THINKS.length; think++) {
                for (int i = 0; i < Integer.parseInt(counts[think]); i++) {
                    all.add(new Worker(pool, spec[0], all.size(), think));
                }
            }
        }
        Thread.sleep(1000); // the replicas have the tables, too
        workers.values().forEach(all -> all.forEach(Thread::start));
        System.out.println("ready");
        while (System.in.read() >= 0) { }
        STOP.countDown();
        for (String name : pools.keySet()) {
            for (Worker worker : workers.get(name)) {
                worker.join();
            }
            for (int think = 0; think < THINKS.length; think++) {
                int at = think;
                List<Worker> those = workers.get(name).stream().filter(w -> w.think == at).toList();
                int failed = those.stream().mapToInt(w -> w.failed).sum();
                if (!those.isEmpty()) {
                    System.out.println((failed == 0 ? "ok " : "FAIL ") + name + " think_" + THINKS[think] + " "
                            + those.stream().mapToInt(w -> w.statements).sum() + " statements, " + failed + " failed");
                }
            }
            System.out.println(rows(pools.get(name), name, workers.get(name)));
            pools.get(name).close();
        }
    }
}

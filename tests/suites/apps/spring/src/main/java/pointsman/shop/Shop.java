package pointsman.shop;

import com.zaxxer.hikari.HikariDataSource;
import java.util.LinkedHashMap;
import java.util.Map;

/** The shop on Spring's JdbcTemplate (or Hibernate), HikariCP and Flyway. Its argument is the variant, which is also the name it reports. */
public final class Shop {
  static final int THREADS = 4;
  static final int ROUNDS = Integer.parseInt(env("PM_ROUNDS", "60"));

  /** Else only what a session wrote itself is sure to be in its reads. */
  static final boolean STRONG = env("PM_CONSISTENCY", "session").equals("strong");

  interface Check {
    void run() throws Exception;
  }

  static String env(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  static HikariDataSource pool(String variant, String port) {
    String where = env("PM_HOST", "127.0.0.1") + ":" + port + "/" + env("PM_DATABASE", "sbtest");
    HikariDataSource pool = new HikariDataSource();
    // Hibernate takes its dialect from the driver, so on MariaDB it wants MariaDB's.
    boolean mariadb = variant.equals("hibernate") && env("PM_FLAVOR", "mariadb").equals("mariadb");
    pool.setJdbcUrl(
        switch (mariadb ? "spring_mariadbj" : variant) {
          case "spring_mariadbj", "spring_two_mariadbj" -> "jdbc:mariadb://" + where + "?sslMode=disable&allowPublicKeyRetrieval=true";
          case "spring_prepared" ->
              "jdbc:mysql://" + where + "?sslMode=DISABLED&allowPublicKeyRetrieval=true&useServerPrepStmts=true&cachePrepStmts=true";
          default -> "jdbc:mysql://" + where + "?sslMode=DISABLED&allowPublicKeyRetrieval=true";
        });
    pool.setUsername(env("PM_USER", "app"));
    pool.setPassword(env("PM_PASSWORD", "app"));
    pool.setMaximumPoolSize(THREADS);
    return pool;
  }

  public static void main(String[] arguments) {
    String name = arguments[0];
    boolean two = name.startsWith("spring_two");
    boolean failed = false;
    try (HikariDataSource writing = pool(name, env("PM_RW", "3306"));
        HikariDataSource separate = two ? pool(name, env("PM_RO", "6447")) : null) {
      HikariDataSource reading = two ? separate : writing;
      Map<String, Check> checks = new LinkedHashMap<>();
      if (name.equals("hibernate")) {
        HibernateCrud crud = new HibernateCrud(writing);
        crud.addTo(checks);
        new HibernateReads(crud).addTo(checks);
      } else {
        new Crud(writing).addTo(checks);
        new Reads(reading, two).addTo(checks);
      }
      for (Map.Entry<String, Check> check : checks.entrySet()) {
        failed |= !report(name, check.getKey(), check.getValue());
      }
    }
    System.exit(failed ? 1 : 0);
  }

  private static boolean report(String name, String feature, Check check) {
    long began = System.nanoTime();
    try {
      check.run();
      System.out.printf("ok %s %s %dms%n", name, feature, (System.nanoTime() - began) / 1_000_000);
      return true;
    } catch (Exception | AssertionError error) {
      if (System.getenv("PM_VERBOSE") != null) {
        error.printStackTrace();
      }
      String text = String.valueOf(error).replaceAll("\\s+", " ");
      System.out.printf("FAIL %s %s %s%n", name, feature, text.substring(0, Math.min(400, text.length())));
      return false;
    }
  }

  static void equal(String what, Object want, Object got) {
    if (!want.equals(got)) {
      throw new AssertionError(what + ": expected " + want + ", got " + got);
    }
  }

  static <E extends Exception> E fails(String what, Class<E> kind, Check check) throws Exception {
    try {
      check.run();
    } catch (Exception error) {
      if (kind.isInstance(error)) {
        return kind.cast(error);
      }
      throw error;
    }
    throw new AssertionError(what + ": expected " + kind.getSimpleName() + ", got none");
  }

  /** Returns when the replicas have all writes and the proxy knows. */
  static void catchUp() throws Exception {
    equal("replicas caught up: exit status", 0, new ProcessBuilder("sh", "-c", env("PM_CATCH_UP", "sleep 1.5")).inheritIO().start().waitFor());
  }

  interface Work {
    void run(int thread) throws Exception;
  }

  /** Runs the work on several threads at once; the first error is thrown here. */
  static void inThreads(Work work) throws Exception {
    Throwable[] errors = new Throwable[THREADS];
    Thread[] threads = new Thread[THREADS];
    for (int n = 0; n < THREADS; n++) {
      int number = n;
      threads[n] =
          new Thread(
              () -> {
                try {
                  work.run(number);
                } catch (Throwable error) {
                  errors[number] = error;
                }
              });
      threads[n].start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    if (!STRONG) {
      catchUp(); // what follows may be another session
    }
    for (Throwable error : errors) {
      if (error != null) {
        throw new Exception(error);
      }
    }
  }

  /** Runs the work when replicas can serve it; says when it began and ended and how many reads it sent. */
  static void phase(String name, int reads, Check work) throws Exception {
    catchUp();
    double began = System.currentTimeMillis() / 1000.0;
    Thread.sleep(2);
    work.run();
    Thread.sleep(2);
    double ended = System.currentTimeMillis() / 1000.0;
    Thread.sleep(50);
    System.out.printf(java.util.Locale.ROOT, "phase %s %.6f %.6f %d%n", name, began, ended, reads);
  }

  private Shop() {}
}

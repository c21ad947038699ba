package pointsman.shop;

import static pointsman.shop.Shop.equal;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import javax.sql.DataSource;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** What only reads: without a transaction (phase reads) and in read-only transactions (phase tx_reads, for information). */
final class Reads {
  static final int CUSTOMERS = 50;
  static final List<String> STATUSES = List.of("new", "paid", "sent");
  private static final Map<String, Long> COUNTS = Map.of("new", 150L, "paid", 200L, "sent", 150L);
  private static final int[] PAID = {10, 7, 4, 1};

  private final JdbcTemplate jdbc;
  private final TransactionTemplate readOnly;
  private final boolean replicaPort;

  Reads(DataSource pool, boolean replicaPort) {
    this.replicaPort = replicaPort;
    jdbc = new JdbcTemplate(pool);
    readOnly = new TransactionTemplate(new DataSourceTransactionManager(pool));
    readOnly.setReadOnly(true);
  }

  /** What order j (1 … 10) of customer i (1 … 50) costs. */
  static BigDecimal total(int i, int j) {
    return new BigDecimal(i * 10 + j + ".50");
  }

  /** Ten "customer total" of the paid orders, dearest first. */
  static List<String> paidPage(int page) {
    List<String> rows = new ArrayList<>();
    for (int p = page * 10; p < page * 10 + 10; p++) {
      rows.add("Customer " + (50 - p / 4) + " " + total(50 - p / 4, PAID[p % 4]));
    }
    return rows;
  }

  void addTo(Map<String, Shop.Check> checks) {
    checks.put("reads", this::reads);
  }

  private void reads() throws Exception {
    Shop.catchUp(); // before the first read as well: this may be the replicas' own port
    Map<String, Long> ids = new HashMap<>();
    jdbc.query("SELECT email, id FROM shop_customers", row -> { ids.put(row.getString(1), row.getLong(2)); });
    if (replicaPort) {
      Shop.fails("a write on the read-only port", DataAccessException.class, () -> jdbc.update("DELETE FROM shop_lines"));
    }
    int reads = Shop.ROUNDS * 7;
    Shop.phase("reads", reads, () -> rounds(k -> round(k, ids)));
    Shop.phase("tx_reads", reads, () -> rounds(k -> readOnly.executeWithoutResult(status -> round(k, ids))));
  }

  static void rounds(IntConsumer round) throws Exception {
    Shop.inThreads(
        thread -> {
          for (int k = thread; k < Shop.ROUNDS; k += Shop.THREADS) {
            round.accept(k);
          }
        });
  }

  private void round(int k, Map<String, Long> ids) {
    int i = k % CUSTOMERS + 1;
    String email = "c" + i + "@example.com";
    String status = STATUSES.get(k % 3);
    equal("by id", "Customer " + i, jdbc.queryForObject("SELECT name FROM shop_customers WHERE id = ?", String.class, ids.get(email)));
    List<String> page =
        jdbc.query(
            "SELECT c.name, o.total FROM shop_orders o JOIN shop_customers c ON c.id = o.customer_id WHERE o.status = ?"
                + " ORDER BY o.total DESC LIMIT ? OFFSET ?",
            (row, at) -> row.getString(1) + " " + row.getBigDecimal(2),
            "paid",
            10,
            k % 5 * 10);
    equal("page", paidPage(k % 5), page);
    equal("count", COUNTS.get(status), jdbc.queryForObject("SELECT COUNT(*) FROM shop_orders WHERE status = ?", Long.class, status));
    equal("exists", true, jdbc.queryForObject("SELECT EXISTS(SELECT 1 FROM shop_customers WHERE email = ?)", Boolean.class, email));
    BigDecimal sum =
        jdbc.queryForObject(
            "SELECT SUM(o.total) FROM shop_orders o JOIN shop_customers c ON c.id = o.customer_id WHERE c.email = ?", BigDecimal.class, email);
    equal("sum", new BigDecimal(i * 100 + 60 + ".00"), sum);
    Map<String, Long> groups = new HashMap<>();
    jdbc.query("SELECT status, COUNT(*) FROM shop_orders GROUP BY status", row -> { groups.put(row.getString(1), row.getLong(2)); });
    equal("groups", COUNTS, groups);
    List<Integer> lines =
        jdbc.queryForList(
            "SELECT SUM(l.quantity) FROM shop_lines l JOIN shop_orders o ON o.id = l.order_id WHERE o.customer_id = ? GROUP BY o.id",
            Integer.class,
            ids.get(email));
    equal("lines", List.of(3, 3, 3, 3, 3, 3, 3, 3, 3, 3), lines);
  }
}

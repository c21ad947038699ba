package pointsman.shop;

import static pointsman.shop.Shop.equal;
import static pointsman.shop.Shop.fails;

import java.math.BigDecimal;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.flywaydb.core.Flyway;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.dao.EmptyResultDataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.support.GeneratedKeyHolder;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

/** What writes: migrations, single rows, transactions with and without an error, batches. */
final class Crud {
  private final DataSource pool;
  private final JdbcTemplate jdbc;
  private final NamedParameterJdbcTemplate named;
  private final TransactionTemplate transaction;
  private final TransactionTemplate nested;

  Crud(DataSource pool) {
    this.pool = pool;
    jdbc = new JdbcTemplate(pool);
    named = new NamedParameterJdbcTemplate(jdbc);
    DataSourceTransactionManager manager = new DataSourceTransactionManager(pool);
    transaction = new TransactionTemplate(manager);
    nested = new TransactionTemplate(manager);
    nested.setPropagationBehavior(TransactionDefinition.PROPAGATION_NESTED);
  }

  void addTo(Map<String, Shop.Check> checks) {
    checks.put("migrate", this::migrate);
    checks.put("create", this::create);
    checks.put("read_one", this::readOne);
    checks.put("unique", this::unique);
    checks.put("list", this::list);
    checks.put("update_tx", this::updateInTransaction);
    checks.put("optimistic", this::optimistic);
    checks.put("counter", this::counter);
    checks.put("concurrent", this::concurrent);
    checks.put("rollback", this::rollback);
    checks.put("read_your_writes", this::readYourWrites);
    checks.put("foreign_key", this::foreignKey);
    checks.put("delete", this::delete);
    checks.put("bulk_insert", this::bulkInsert);
  }

  private int count(String from, Object... arguments) {
    return jdbc.queryForObject("SELECT COUNT(*) FROM " + from, Integer.class, arguments);
  }

  private long insertCustomer(String email, String name) {
    GeneratedKeyHolder key = new GeneratedKeyHolder();
    jdbc.update(
        connection -> {
          var statement =
              connection.prepareStatement("INSERT INTO shop_customers (email, name) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS);
          statement.setString(1, email);
          statement.setString(2, name);
          return statement;
        },
        key);
    return key.getKey().longValue();
  }

  private long customer(String email) {
    return jdbc.queryForObject("SELECT id FROM shop_customers WHERE email = ?", Long.class, email);
  }

  private void migrate() {
    Flyway flyway = Flyway.configure().dataSource(pool).load();
    equal("migrations", 3, flyway.migrate().migrationsExecuted);
    equal("a second time", 0, flyway.migrate().migrationsExecuted);
    flyway.validate();
    equal("the added column", 0, count("shop_orders WHERE note = 'none'"));
  }

  private void create() {
    long ann = insertCustomer("ann@example.com", "Ann Ö. 🙂");
    jdbc.update("INSERT INTO shop_orders (customer_id, total) VALUES (?, ?)", ann, new BigDecimal("12.50"));
    long order = jdbc.queryForObject("SELECT id FROM shop_orders WHERE customer_id = ?", Long.class, ann);
    jdbc.update("INSERT INTO shop_lines (order_id, sku, quantity, price) VALUES (?, 'sku-1', 2, 6.25)", order);
  }

  private void readOne() throws Exception {
    equal("name", "Ann Ö. 🙂", jdbc.queryForObject("SELECT name FROM shop_customers WHERE id = ?", String.class, customer("ann@example.com")));
    Map<String, Object> order =
        named.queryForMap(
            "SELECT o.total, c.email FROM shop_orders o JOIN shop_customers c ON c.id = o.customer_id WHERE c.email = :email",
            Map.of("email", "ann@example.com"));
    equal("order", List.of(new BigDecimal("12.50"), "ann@example.com"), List.of(order.get("total"), order.get("email")));
    fails("a missing one", EmptyResultDataAccessException.class, () -> customer("nobody@example.com"));
  }

  private void unique() throws Exception {
    fails("a second one", DuplicateKeyException.class, () -> insertCustomer("ann@example.com", "x"));
  }

  private void list() {
    long ann = customer("ann@example.com");
    for (int n = 0; n < 25; n++) {
      jdbc.update("INSERT INTO shop_orders (customer_id, total, status) VALUES (?, ?, 'listed')", ann, n);
    }
    List<Integer> page =
        jdbc.query(
            "SELECT o.total FROM shop_orders o JOIN shop_customers c ON c.id = o.customer_id WHERE c.email = ? AND o.status = ?"
                + " ORDER BY o.total DESC LIMIT ? OFFSET ?",
            (row, at) -> row.getBigDecimal(1).intValue(),
            "ann@example.com",
            "listed",
            10,
            10);
    equal("second page", List.of(14, 13, 12, 11, 10, 9, 8, 7, 6, 5), page);
  }

  private void updateInTransaction() {
    transaction.executeWithoutResult(
        status -> {
          long order = jdbc.queryForObject("SELECT id FROM shop_orders WHERE total = 12.50 FOR UPDATE", Long.class);
          jdbc.update("UPDATE shop_orders SET status = 'paid' WHERE id = ?", order);
          equal("inside", "paid", jdbc.queryForObject("SELECT status FROM shop_orders WHERE id = ?", String.class, order));
          jdbc.update("UPDATE shop_orders SET total = total + 100 WHERE status = 'listed'");
        });
    equal("after", 25, count("shop_orders WHERE status = 'listed' AND total >= 100"));
  }

  private void optimistic() {
    Map<String, Object> order = jdbc.queryForMap("SELECT id, version FROM shop_orders WHERE status = 'listed' ORDER BY id LIMIT 1");
    String sql = "UPDATE shop_orders SET version = version + 1 WHERE id = ? AND version = ?";
    equal("first", 1, jdbc.update(sql, order.get("id"), order.get("version")));
    equal("second", 0, jdbc.update(sql, order.get("id"), order.get("version")));
  }

  private void bump() {
    transaction.executeWithoutResult(
        status -> {
          int value = jdbc.queryForObject("SELECT value FROM shop_counters WHERE name = 'visits' FOR UPDATE", Integer.class);
          jdbc.update("UPDATE shop_counters SET value = ? WHERE name = 'visits'", value + 1);
        });
  }

  private int visits() {
    return jdbc.queryForObject("SELECT value FROM shop_counters WHERE name = 'visits'", Integer.class);
  }

  private void counter() {
    jdbc.update("INSERT INTO shop_counters (name) VALUES ('visits')");
    for (int n = 0; n < 5; n++) {
      bump();
    }
    equal("value", 5, visits());
  }

  private void concurrent() throws Exception {
    Shop.inThreads(
        thread -> {
          for (int n = 0; n < 20; n++) {
            bump();
          }
        });
    equal("value", 5 + 20 * Shop.THREADS, visits());
  }

  private void rollback() throws Exception {
    fails(
        "the transaction",
        IllegalStateException.class,
        () ->
            transaction.executeWithoutResult(
                status -> {
                  insertCustomer("lost@example.com", "Lost");
                  throw new IllegalStateException("on purpose");
                }));
    equal("rolled back", 0, count("shop_customers WHERE email = ?", "lost@example.com"));
    transaction.executeWithoutResult(
        status -> {
          insertCustomer("kept@example.com", "Kept");
          try {
            nested.executeWithoutResult(inner -> insertCustomer("ann@example.com", "x"));
            throw new AssertionError("a duplicate was accepted");
          } catch (DuplicateKeyException expected) {
            insertCustomer("kept2@example.com", "Kept");
          }
        });
    equal("kept", 2, count("shop_customers WHERE email LIKE ?", "kept%"));
  }

  private void readYourWrites() {
    for (int n = 0; n < 100; n++) {
      String email = "w" + n + "@example.com";
      long id = insertCustomer(email, "new");
      equal("a row just made", 1, count("shop_customers WHERE id = ?", id));
      jdbc.update("UPDATE shop_customers SET name = ? WHERE id = ?", "changed " + n, id);
      equal("a row just changed", "changed " + n, jdbc.queryForObject("SELECT name FROM shop_customers WHERE email = ?", String.class, email));
      if (n % 2 == 1) {
        jdbc.update("DELETE FROM shop_customers WHERE id = ?", id);
        equal("a row just deleted", 0, count("shop_customers WHERE email = ?", email));
      }
    }
  }

  private void foreignKey() throws Exception {
    fails(
        "an order of nobody",
        DataIntegrityViolationException.class,
        () -> jdbc.update("INSERT INTO shop_orders (customer_id, total) VALUES (987654321, 1)"));
    fails(
        "a customer with orders",
        DataIntegrityViolationException.class,
        () -> jdbc.update("DELETE FROM shop_customers WHERE email = ?", "ann@example.com"));
  }

  private void delete() {
    equal("orders", 26, jdbc.update("DELETE o FROM shop_orders o JOIN shop_customers c ON c.id = o.customer_id WHERE c.email = ?", "ann@example.com"));
    equal("lines went with their orders", 0, count("shop_lines"));
    jdbc.update("DELETE FROM shop_customers");
    equal("left", 0, count("shop_customers"));
  }

  private void bulkInsert() {
    transaction.executeWithoutResult(
        status -> {
          List<Object[]> customers = new ArrayList<>();
          for (int i = 1; i <= Reads.CUSTOMERS; i++) {
            customers.add(new Object[] {"c" + i + "@example.com", "Customer " + i});
          }
          jdbc.batchUpdate("INSERT INTO shop_customers (email, name) VALUES (?, ?)", customers);
          List<Object[]> orders = new ArrayList<>();
          for (int i = 1; i <= Reads.CUSTOMERS; i++) {
            long id = customer("c" + i + "@example.com");
            for (int j = 1; j <= 10; j++) {
              orders.add(new Object[] {id, Reads.STATUSES.get(j % 3), Reads.total(i, j)});
            }
          }
          jdbc.batchUpdate("INSERT INTO shop_orders (customer_id, status, total) VALUES (?, ?, ?)", orders);
          List<Object[]> lines = new ArrayList<>();
          for (Long order : jdbc.queryForList("SELECT id FROM shop_orders", Long.class)) {
            lines.add(new Object[] {order, "sku-1", 1, BigDecimal.ONE});
            lines.add(new Object[] {order, "sku-2", 2, BigDecimal.ONE});
          }
          jdbc.batchUpdate("INSERT INTO shop_lines (order_id, sku, quantity, price) VALUES (?, ?, ?, ?)", lines);
        });
    equal("orders", 500, count("shop_orders"));
    equal("lines", 1000, count("shop_lines"));
  }
}

package pointsman.shop;

import static pointsman.shop.Shop.equal;
import static pointsman.shop.Shop.fails;

import jakarta.persistence.LockModeType;
import jakarta.persistence.NoResultException;
import jakarta.persistence.OptimisticLockException;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.flywaydb.core.Flyway;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;
import org.hibernate.exception.ConstraintViolationException;
import pointsman.shop.Entities.Counter;
import pointsman.shop.Entities.Customer;
import pointsman.shop.Entities.Line;
import pointsman.shop.Entities.Purchase;

/** What writes, on Hibernate: it flushes what changed at the end of each transaction. */
final class HibernateCrud {
  private final DataSource pool;
  private SessionFactory factory;

  HibernateCrud(DataSource pool) {
    this.pool = pool;
  }

  /** There after `migrate`: Hibernate looks at the tables when it starts. */
  SessionFactory factory() {
    return factory;
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

  private void migrate() {
    equal("migrations", 3, Flyway.configure().dataSource(pool).load().migrate().migrationsExecuted);
    Configuration configuration = new Configuration();
    for (Class<?> entity : List.of(Customer.class, Purchase.class, Line.class, Counter.class)) {
      configuration.addAnnotatedClass(entity);
    }
    configuration.getProperties().put("hibernate.connection.datasource", pool);
    configuration.setProperty("hibernate.hbm2ddl.auto", "validate");
    configuration.setProperty("hibernate.jdbc.batch_size", "50");
    factory = configuration.buildSessionFactory();
  }

  private static Customer customer(Session session, String email) {
    return session.createSelectionQuery("from Customer where email = :email", Customer.class).setParameter("email", email).getSingleResult();
  }

  private long count(String query) {
    return factory.fromSession(session -> session.createSelectionQuery("select count(*) from " + query, Long.class).getSingleResult());
  }

  private void insert(String email, String name) {
    factory.inTransaction(session -> session.persist(new Customer(email, name)));
  }

  private void create() {
    factory.inTransaction(
        session -> {
          Customer ann = new Customer("ann@example.com", "Ann Ö. 🙂");
          session.persist(ann);
          Purchase order = new Purchase(ann, "new", new BigDecimal("12.50"));
          order.add("sku-1", 2);
          session.persist(order);
        });
  }

  private void readOne() throws Exception {
    factory.inSession(
        session -> {
          Customer ann = customer(session, "ann@example.com");
          equal("name", "Ann Ö. 🙂", ann.name);
          equal("order", new BigDecimal("12.50"), ann.orders.get(0).total);
          equal("line", 2, ann.orders.get(0).lines.get(0).quantity);
        });
    fails("a missing one", NoResultException.class, () -> factory.inSession(session -> customer(session, "nobody@example.com")));
  }

  private void unique() throws Exception {
    fails("a second one", ConstraintViolationException.class, () -> insert("ann@example.com", "x"));
  }

  private void list() {
    factory.inTransaction(
        session -> {
          Customer ann = customer(session, "ann@example.com");
          for (int n = 0; n < 25; n++) {
            session.persist(new Purchase(ann, "listed", BigDecimal.valueOf(n)));
          }
        });
    List<Integer> page =
        factory.fromSession(
            session ->
                session.createSelectionQuery("from Purchase where customer.email = :email and status = 'listed' order by total desc", Purchase.class)
                    .setParameter("email", "ann@example.com").setFirstResult(10).setMaxResults(10).getResultList().stream()
                    .map(order -> order.total.intValue()).toList());
    equal("second page", List.of(14, 13, 12, 11, 10, 9, 8, 7, 6, 5), page);
  }

  private void updateInTransaction() {
    factory.inTransaction(
        session -> {
          Purchase order =
              session.createSelectionQuery("from Purchase where total = 12.50", Purchase.class).setLockMode(LockModeType.PESSIMISTIC_WRITE).getSingleResult();
          order.status = "paid";
          session.flush();
          session.createMutationQuery("update Purchase set total = total + 100 where status = 'listed'").executeUpdate();
        });
    equal("paid", 1L, count("Purchase where status = 'paid'"));
    equal("listed", 25L, count("Purchase where status = 'listed' and total >= 100"));
  }

  private void optimistic() throws Exception {
    try (Session ours = factory.openSession(); Session theirs = factory.openSession()) {
      String query = "from Purchase where status = 'listed' order by id";
      Purchase first = ours.createSelectionQuery(query, Purchase.class).setMaxResults(1).getSingleResult();
      Purchase second = theirs.createSelectionQuery(query, Purchase.class).setMaxResults(1).getSingleResult();
      ours.beginTransaction();
      first.note = "first";
      ours.getTransaction().commit();
      theirs.beginTransaction();
      second.note = "second";
      fails("the second change", OptimisticLockException.class, () -> theirs.getTransaction().commit());
    }
  }

  private void bump() {
    factory.inTransaction(session -> session.find(Counter.class, "visits", LockModeType.PESSIMISTIC_WRITE).value += 1);
  }

  private int visits() {
    return factory.fromSession(session -> session.find(Counter.class, "visits").value);
  }

  private void counter() {
    factory.inTransaction(
        session -> {
          Counter visits = new Counter();
          visits.name = "visits";
          session.persist(visits);
        });
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
            factory.inTransaction(
                session -> {
                  session.persist(new Customer("lost@example.com", "Lost"));
                  session.flush();
                  throw new IllegalStateException("on purpose");
                }));
    equal("rolled back", 0L, count("Customer where email = 'lost@example.com'"));
    insert("kept@example.com", "Kept");
    equal("kept", 1L, count("Customer where email = 'kept@example.com'"));
  }

  private void readYourWrites() {
    for (int n = 0; n < 100; n++) {
      String email = "w" + n + "@example.com";
      String changed = "changed " + n;
      insert(email, "new");
      equal("a row just made", "new", factory.fromSession(session -> customer(session, email).name));
      factory.inTransaction(session -> customer(session, email).name = changed);
      equal("a row just changed", changed, factory.fromSession(session -> customer(session, email).name));
      if (n % 2 == 1) {
        factory.inTransaction(session -> session.remove(customer(session, email)));
        equal("a row just deleted", 0L, count("Customer where email = '" + email + "'"));
      }
    }
  }

  private void foreignKey() throws Exception {
    fails(
        "an order of nobody",
        ConstraintViolationException.class,
        () ->
            factory.inTransaction(
                session -> session.persist(new Purchase(session.getReference(Customer.class, 987654321L), "new", BigDecimal.ONE))));
    fails(
        "a customer with orders",
        ConstraintViolationException.class,
        () -> factory.inTransaction(session -> session.remove(customer(session, "ann@example.com"))));
  }

  private void delete() {
    factory.inTransaction(
        session -> {
          equal("orders", 26, session.createMutationQuery("delete from Purchase").executeUpdate());
          session.createMutationQuery("delete from Customer").executeUpdate();
        });
    equal("lines went with their orders", 0L, count("Line"));
    equal("left", 0L, count("Customer"));
  }

  private void bulkInsert() {
    factory.inTransaction(
        session -> {
          for (int i = 1; i <= Reads.CUSTOMERS; i++) {
            Customer customer = new Customer("c" + i + "@example.com", "Customer " + i);
            session.persist(customer);
            for (int j = 1; j <= 10; j++) {
              Purchase order = new Purchase(customer, Reads.STATUSES.get(j % 3), Reads.total(i, j));
              order.add("sku-1", 1);
              order.add("sku-2", 2);
              session.persist(order);
            }
          }
        });
    equal("orders", 500L, count("Purchase"));
    equal("lines", 1000L, count("Line"));
  }
}

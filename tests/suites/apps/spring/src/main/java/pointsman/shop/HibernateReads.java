package pointsman.shop;

import static pointsman.shop.Shop.equal;

import java.math.BigDecimal;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.hibernate.Session;
import pointsman.shop.Entities.Customer;
import pointsman.shop.Entities.Purchase;

/** What only reads, on Hibernate: sessions without a transaction (phase reads) and with one (phase tx_reads, for information). */
final class HibernateReads {
  private static final Map<String, Long> COUNTS = Map.of("new", 150L, "paid", 200L, "sent", 150L);

  private final HibernateCrud crud;

  HibernateReads(HibernateCrud crud) {
    this.crud = crud;
  }

  void addTo(Map<String, Shop.Check> checks) {
    checks.put("reads", this::reads);
  }

  private void reads() throws Exception {
    Map<String, Long> ids = new HashMap<>();
    crud.factory().inSession(
        session -> session.createSelectionQuery("from Customer", Customer.class).getResultList().forEach(c -> ids.put(c.email, c.id)));
    int reads = Shop.ROUNDS * 8;
    Shop.phase("reads", reads, () -> Reads.rounds(k -> crud.factory().inSession(session -> round(session, k, ids))));
    Shop.phase("tx_reads", reads, () -> Reads.rounds(k -> crud.factory().inTransaction(session -> round(session, k, ids))));
  }

  private void round(Session session, int k, Map<String, Long> ids) {
    session.setDefaultReadOnly(true);
    int i = k % Reads.CUSTOMERS + 1;
    String email = "c" + i + "@example.com";
    String status = Reads.STATUSES.get(k % 3);
    equal("by id", "Customer " + i, session.find(Customer.class, ids.get(email)).name);
    List<String> page =
        session.createSelectionQuery("from Purchase o join fetch o.customer where o.status = 'paid' order by o.total desc", Purchase.class)
            .setFirstResult(k % 5 * 10).setMaxResults(10).getResultList().stream().map(o -> o.customer.name + " " + o.total).toList();
    equal("page", Reads.paidPage(k % 5), page);
    long count =
        session.createSelectionQuery("select count(*) from Purchase where status = :status", Long.class).setParameter("status", status).getSingleResult();
    equal("count", COUNTS.get(status), count);
    equal("exists", 1L, session.createSelectionQuery("select count(*) from Customer where email = :email", Long.class).setParameter("email", email).getSingleResult());
    BigDecimal sum =
        session.createSelectionQuery("select sum(total) from Purchase where customer.email = :email", BigDecimal.class).setParameter("email", email).getSingleResult();
    equal("sum", new BigDecimal(i * 100 + 60 + ".00"), sum);
    Map<String, Long> groups = new HashMap<>();
    session.createSelectionQuery("select status, count(*) from Purchase group by status", Object[].class).getResultList()
        .forEach(row -> groups.put((String) row[0], (Long) row[1]));
    equal("groups", COUNTS, groups);
    session.clear();
    Customer own = session.find(Customer.class, ids.get(email));
    equal("orders", 10, own.orders.size());
    for (Purchase order : own.orders.subList(0, 2)) { // each is one more query
      equal("lines", List.of(1, 2), order.lines.stream().map(line -> line.quantity).toList());
    }
  }
}

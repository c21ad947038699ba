package pointsman.shop;

import jakarta.persistence.CascadeType;
import jakarta.persistence.Entity;
import jakarta.persistence.FetchType;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.JoinColumn;
import jakarta.persistence.ManyToOne;
import jakarta.persistence.OneToMany;
import jakarta.persistence.OrderBy;
import jakarta.persistence.Table;
import jakarta.persistence.Version;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;

/** The shop's tables as Hibernate maps them. */
final class Entities {
  @Entity(name = "Customer")
  @Table(name = "shop_customers")
  static class Customer {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    Long id;

    String email;
    String name;

    @OneToMany(mappedBy = "customer")
    @OrderBy("id")
    List<Purchase> orders = new ArrayList<>();

    Customer() {}

    Customer(String email, String name) {
      this.email = email;
      this.name = name;
    }
  }

  @Entity(name = "Purchase")
  @Table(name = "shop_orders")
  static class Purchase {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    Long id;

    @ManyToOne(fetch = FetchType.LAZY)
    @JoinColumn(name = "customer_id")
    Customer customer;

    String status = "new";
    BigDecimal total;
    String note;
    @Version int version;

    @OneToMany(mappedBy = "order", cascade = CascadeType.ALL, orphanRemoval = true)
    @OrderBy("quantity")
    List<Line> lines = new ArrayList<>();

    Purchase() {}

    Purchase(Customer customer, String status, BigDecimal total) {
      this.customer = customer;
      this.status = status;
      this.total = total;
    }

    void add(String sku, int quantity) {
      Line line = new Line();
      line.order = this;
      line.sku = sku;
      line.quantity = quantity;
      lines.add(line);
    }
  }

  @Entity(name = "Line")
  @Table(name = "shop_lines")
  static class Line {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    Long id;

    @ManyToOne(fetch = FetchType.LAZY)
    @JoinColumn(name = "order_id")
    Purchase order;

    String sku;
    int quantity;
    BigDecimal price = BigDecimal.ONE;
  }

  @Entity(name = "Counter")
  @Table(name = "shop_counters")
  static class Counter {
    @Id String name;
    int value;
  }

  private Entities() {}
}

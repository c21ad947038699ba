"""The shop on Django's ORM, with mysqlclient (C) or PyMySQL. usage: app.py django|django_pymysql"""

import os
import sys
from decimal import Decimal

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "pylib")]
NAME = sys.argv[1]
if NAME == "django_pymysql":
    import pymysql

    pymysql.install_as_MySQLdb()

import harness
import django
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "HOST": harness.HOST,
            "PORT": harness.RW,
            "USER": harness.USER,
            "PASSWORD": harness.PASSWORD,
            "NAME": harness.DATABASE,
            "CONN_MAX_AGE": None,
            "OPTIONS": {"charset": "utf8mb4"} if NAME == "django_pymysql" else {"charset": "utf8mb4", "ssl_mode": "DISABLED"},
        }
    },
    INSTALLED_APPS=["shop"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import Count, F, Prefetch, ProtectedError, Sum
from shop.models import Counter, Customer, Line, Order


def migrate():
    call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0, check_unapplied=True)  # exits with 1 when the server forgot one
    with connection.cursor() as cursor:
        columns = [c.name for c in connection.introspection.get_table_description(cursor, "shop_order")]
        indexes = connection.introspection.get_constraints(cursor, "shop_order")
    harness.eq("the added column", True, "note" in columns)
    harness.eq("the index", ["status", "placed_at"], indexes["shop_order_by_status"]["columns"])


def create():
    ann = Customer.objects.create(email="ann@example.com", name="Ann Ö. 🙂")
    order = Order.objects.create(customer=ann, total=Decimal("12.50"), note=None)
    Line.objects.create(order=order, sku="sku-1", quantity=2, price=Decimal("6.25"))
    again, made = Customer.objects.get_or_create(email="ann@example.com", defaults={"name": "other"})
    harness.eq("get_or_create", (ann.pk, False), (again.pk, made))


def read_one():
    ann = Customer.objects.get(email="ann@example.com")
    harness.eq("name", "Ann Ö. 🙂", ann.name)
    order = Order.objects.select_related("customer").get(customer=ann)
    harness.eq("order", (Decimal("12.50"), None, "ann@example.com"), (order.total, order.note, order.customer.email))
    harness.fails("a missing one", Customer.DoesNotExist, lambda: Customer.objects.get(email="nobody@example.com"))


def unique():
    error = harness.fails("a second one", IntegrityError, lambda: Customer.objects.create(email="ann@example.com", name="x"))
    harness.eq("its code", 1062, error.args[0])


def list_():
    ann = Customer.objects.get(email="ann@example.com")
    for n in range(25):
        Order.objects.create(customer=ann, total=n, status="listed")
    page = Order.objects.filter(customer__email="ann@example.com", status="listed").order_by("-total")[10:20]
    harness.eq("second page", [Decimal(n) for n in range(14, 4, -1)], [o.total for o in page])


def update_tx():
    with transaction.atomic():
        order = Order.objects.select_for_update().get(note=None, customer__email="ann@example.com", total=Decimal("12.50"))
        order.status = "paid"
        order.save()
        harness.eq("inside", "paid", Order.objects.get(pk=order.pk).status)
        Order.objects.filter(status="listed").update(total=F("total") + 100)
    harness.eq("after", 25, Order.objects.filter(status="listed", total__gte=100).count())


def optimistic():
    order = Order.objects.filter(status="listed").first()
    changed = lambda: Order.objects.filter(pk=order.pk, version=order.version).update(version=F("version") + 1)
    harness.eq("first and second", (1, 0), (changed(), changed()))


def bump():
    with transaction.atomic():
        counter = Counter.objects.select_for_update().get(pk="visits")
        counter.value += 1
        counter.save(update_fields=["value"])


def counter():
    Counter.objects.create(name="visits")
    for _ in range(5):
        bump()
    harness.eq("value", 5, Counter.objects.get(pk="visits").value)


def concurrent():
    def work(_number):
        try:
            for _ in range(20):
                bump()
        finally:
            connections.close_all()

    harness.in_threads(harness.THREADS, work)
    harness.eq("value", 5 + 20 * harness.THREADS, Counter.objects.get(pk="visits").value)


def rollback():
    def fail():
        with transaction.atomic():
            Customer.objects.create(email="lost@example.com", name="Lost")
            with transaction.atomic():  # a savepoint
                Customer.objects.create(email="lost2@example.com", name="Lost")
            raise ValueError("on purpose")

    harness.fails("the block", ValueError, fail)
    harness.eq("rolled back", False, Customer.objects.filter(email__startswith="lost").exists())
    with transaction.atomic():
        Customer.objects.create(email="kept@example.com", name="Kept")
        harness.fails("a duplicate in a savepoint", IntegrityError, duplicate_in_savepoint)
    harness.eq("kept", 1, Customer.objects.filter(email="kept@example.com").count())


def duplicate_in_savepoint():
    with transaction.atomic():
        Customer.objects.create(email="ann@example.com", name="x")


def read_your_writes():
    for n in range(100):
        made = Customer.objects.create(email=f"w{n}@example.com", name="new")
        harness.eq("a row just made", "new", Customer.objects.get(pk=made.pk).name)
        Customer.objects.filter(pk=made.pk).update(name=f"changed {n}")
        harness.eq("a row just changed", f"changed {n}", Customer.objects.get(email=f"w{n}@example.com").name)
        if n % 2:
            made.delete()
            harness.eq("a row just deleted", False, Customer.objects.filter(email=f"w{n}@example.com").exists())


def foreign_key():
    harness.fails("an order of nobody", IntegrityError, lambda: Order.objects.create(customer_id=987654321, total=1))
    harness.fails("a customer with orders", ProtectedError, lambda: Customer.objects.get(email="ann@example.com").delete())


def delete():
    Order.objects.filter(customer__email="ann@example.com").delete()
    harness.eq("lines went with their orders", 0, Line.objects.count())
    Customer.objects.all().delete()
    harness.eq("left", 0, Customer.objects.count())


def bulk_insert():
    with transaction.atomic():
        Customer.objects.bulk_create(
            [Customer(email=f"c{i}@example.com", name=f"Customer {i}") for i in range(1, harness.CUSTOMERS + 1)]
        )
        orders = []
        for customer in Customer.objects.order_by("pk"):
            i = int(customer.email[1:].split("@")[0])
            for j in range(1, harness.ORDERS_EACH + 1):
                orders.append(Order(customer=customer, status=harness.STATUSES[j % 3], total=Decimal(harness.total_of(i, j)) / 100))
        Order.objects.bulk_create(orders, batch_size=200)
        Line.objects.bulk_create(
            [Line(order=o, sku=f"sku-{n}", quantity=n, price=1) for o in Order.objects.all() for n in (1, 2)], batch_size=500
        )
    harness.eq("rows", (500, 1000), (Order.objects.count(), Line.objects.count()))


def reads():
    ids = dict(Customer.objects.values_list("email", "pk"))
    harness.phase("reads", harness.ROUNDS * 9, lambda: harness.in_threads(harness.THREADS, lambda n: read_rounds(n, ids)))


def read_rounds(number, ids):
    try:
        for k in range(number, harness.ROUNDS, harness.THREADS):
            read_round(k, ids)
    finally:
        connections.close_all()


def read_round(k, ids):
    i = k % harness.CUSTOMERS + 1
    email, status = f"c{i}@example.com", harness.STATUSES[k % 3]
    harness.eq("by id", f"Customer {i}", Customer.objects.get(pk=ids[email]).name)
    page = Order.objects.select_related("customer").filter(status="paid").order_by("-total")[k % 5 * 10 : k % 5 * 10 + 10]
    harness.eq("page", harness.paid_page(k % 5), [(int(o.customer.email[1:].split("@")[0]), int(o.total * 100)) for o in page])
    harness.eq("count", harness.COUNTS[status], Order.objects.filter(status=status).count())
    harness.eq("exists", True, Customer.objects.filter(email=email).exists())
    total = Order.objects.filter(customer__email=email).aggregate(sum=Sum("total"))["sum"]
    harness.eq("sum", Decimal(i * 100 + 60), total)
    groups = {g["status"]: g["n"] for g in Order.objects.values("status").annotate(n=Count("id"))}
    harness.eq("groups", harness.COUNTS, groups)
    own = Customer.objects.get(email=email).orders.prefetch_related(Prefetch("lines", Line.objects.order_by("quantity")))
    harness.eq("lines", [[1, 2]] * 10, [[line.quantity for line in o.lines.all()] for o in own])


harness.run(
    NAME,
    [
        ("migrate", migrate),
        ("create", create),
        ("read_one", read_one),
        ("unique", unique),
        ("list", list_),
        ("update_tx", update_tx),
        ("optimistic", optimistic),
        ("counter", counter),
        ("concurrent", concurrent),
        ("rollback", rollback),
        ("read_your_writes", read_your_writes),
        ("foreign_key", foreign_key),
        ("delete", delete),
        ("bulk_insert", bulk_insert),
        ("reads", reads),
    ],
)

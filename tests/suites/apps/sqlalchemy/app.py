"""The shop on SQLAlchemy's ORM with Alembic and PyMySQL.

SQLAlchemy turns autocommit off, so what it reads by default is inside a transaction and belongs to the primary
(phase tx_reads, for information). Reading sessions use its AUTOCOMMIT isolation level, on the same pool.
"""

import os
import sys
from decimal import Decimal

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "pylib")]

import harness
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from models import Base, Counter, Customer, Line, Order
from sqlalchemy import URL, create_engine, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.orm import Session, joinedload, selectinload, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

engine = create_engine(
    URL.create("mysql+pymysql", harness.USER, harness.PASSWORD, harness.HOST, harness.RW, harness.DATABASE, {"charset": "utf8mb4"}),
    pool_size=harness.THREADS,
    max_overflow=0,
    pool_use_lifo=not harness.STRONG,  # one check after the other on the same connection
    pool_pre_ping=True,
)
Writing = sessionmaker(engine)
Reading = sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"))


def one(session, email):
    return session.scalars(select(Customer).filter_by(email=email)).one()


def migrate():
    config = Config()
    config.set_main_option("script_location", os.path.join(HERE, "migrations"))
    config.attributes["engine"] = engine
    command.upgrade(config, "head")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        harness.eq("revision", "003", context.get_current_revision())
        harness.eq("differences from the models", [], compare_metadata(context, Base.metadata))


def create():
    with Writing.begin() as session:
        ann = Customer(email="ann@example.com", name="Ann Ö. 🙂")
        ann.orders.append(Order(total=Decimal("12.50"), lines=[Line(sku="sku-1", quantity=2, price=Decimal("6.25"))]))
        session.add(ann)


def read_one():
    with Reading() as session:
        ann = one(session, "ann@example.com")
        harness.eq("name", "Ann Ö. 🙂", ann.name)
        order = session.scalars(select(Order).options(joinedload(Order.customer)).filter_by(customer_id=ann.id)).one()
        harness.eq("order", (Decimal("12.50"), None, "ann@example.com"), (order.total, order.note, order.customer.email))
        harness.fails("a missing one", NoResultFound, lambda: one(session, "nobody@example.com"))


def unique():
    def again():
        with Writing.begin() as session:
            session.add(Customer(email="ann@example.com", name="x"))

    harness.eq("its code", 1062, harness.fails("a second one", IntegrityError, again).orig.args[0])


def list_():
    with Writing.begin() as session:
        ann = one(session, "ann@example.com")
        session.add_all([Order(customer=ann, total=n, status="listed") for n in range(25)])
    with Reading() as session:
        page = select(Order).join(Customer).where(Customer.email == "ann@example.com", Order.status == "listed")
        page = session.scalars(page.order_by(Order.total.desc()).offset(10).limit(10)).all()
        harness.eq("second page", [Decimal(n) for n in range(14, 4, -1)], [o.total for o in page])


def update_tx():
    with Writing.begin() as session:
        order = session.scalars(select(Order).filter_by(total=Decimal("12.50")).with_for_update()).one()
        order.status = "paid"
        session.flush()
        session.execute(update(Order).filter_by(status="listed").values(total=Order.total + 100))
    with Reading() as session:
        harness.eq("paid", 1, session.scalar(select(func.count()).select_from(Order).filter_by(status="paid")))
        listed = select(func.count()).where(Order.status == "listed", Order.total >= 100)
        harness.eq("listed", 25, session.scalar(listed))


def optimistic():
    with Writing() as first, Writing() as second:
        query = select(Order).filter_by(status="listed").order_by(Order.id).limit(1)
        ours, theirs = first.scalars(query).one(), second.scalars(query).one()
        ours.note, theirs.note = "first", "second"
        first.commit()
        harness.fails("the second change", StaleDataError, second.commit)


def bump():
    with Writing.begin() as session:
        session.get(Counter, "visits", with_for_update=True).value += 1


def value():
    with Reading() as session:
        return session.get(Counter, "visits").value


def counter():
    with Writing.begin() as session:
        session.add(Counter(name="visits", value=0))
    for _ in range(5):
        bump()
    harness.eq("value", 5, value())


def concurrent():
    harness.in_threads(harness.THREADS, lambda _number: [bump() for _ in range(20)])
    harness.eq("value", 5 + 20 * harness.THREADS, value())


def rollback():
    def fail():
        with Writing.begin() as session:
            session.add(Customer(email="lost@example.com", name="Lost"))
            session.flush()
            raise ValueError("on purpose")

    harness.fails("the block", ValueError, fail)
    with Writing.begin() as session:
        session.add(Customer(email="kept@example.com", name="Kept"))
        session.flush()

        def nested():
            with session.begin_nested():
                session.add(Customer(email="ann@example.com", name="x"))

        harness.fails("a duplicate in a savepoint", IntegrityError, nested)
    with Reading() as session:
        harness.eq("rolled back", False, session.scalar(select(exists().where(Customer.email == "lost@example.com"))))
        harness.eq("kept", "Kept", one(session, "kept@example.com").name)


def read_your_writes():
    # One connection, autocommit: each statement is its own transaction.
    with Reading() as session:
        for n in range(100):
            email = f"w{n}@example.com"
            session.execute(insert(Customer).values(email=email, name="new"))
            name = select(Customer.name).filter_by(email=email)
            harness.eq("a row just made", "new", session.scalar(name))
            session.execute(update(Customer).filter_by(email=email).values(name=f"changed {n}"))
            harness.eq("a row just changed", f"changed {n}", session.scalar(name))
            if n % 2:
                session.execute(delete(Customer).filter_by(email=email))
                harness.eq("a row just deleted", None, session.scalar(name))


def foreign_key():
    def orphan():
        with Writing.begin() as session:
            session.add(Order(customer_id=987654321, total=1))

    def parent():
        with Writing.begin() as session:
            session.delete(one(session, "ann@example.com"))

    harness.eq("an order of nobody", 1452, harness.fails("an order of nobody", IntegrityError, orphan).orig.args[0])
    harness.eq("a customer with orders", 1451, harness.fails("a customer with orders", IntegrityError, parent).orig.args[0])


def delete_():
    with Writing.begin() as session:
        session.delete(session.scalars(select(Order).filter_by(total=Decimal("12.50"))).one())
        session.flush()
        harness.eq("lines went with their order", 0, session.scalar(select(func.count()).select_from(Line)))
        session.execute(delete(Order))
        session.execute(delete(Customer))
    with Reading() as session:
        harness.eq("left", 0, session.scalar(select(func.count()).select_from(Customer)))


def bulk_insert():
    with Writing.begin() as session:
        rows = [{"email": f"c{i}@example.com", "name": f"Customer {i}"} for i in range(1, harness.CUSTOMERS + 1)]
        session.execute(insert(Customer), rows)
        orders = [
            {"customer_id": c.id, "status": harness.STATUSES[j % 3], "total": Decimal(harness.total_of(number(c), j)) / 100}
            for c in session.scalars(select(Customer))
            for j in range(1, harness.ORDERS_EACH + 1)
        ]
        session.execute(insert(Order), orders)
        ids = session.scalars(select(Order.id)).all()
        session.execute(insert(Line), [{"order_id": i, "sku": f"sku-{n}", "quantity": n, "price": 1} for i in ids for n in (1, 2)])
    with Reading() as session:
        harness.eq("lines", 1000, session.scalar(select(func.count()).select_from(Line)))


def number(customer):
    return int(customer.email[1:].split("@")[0])


def reads():
    with Reading() as session:
        ids = dict(session.execute(select(Customer.email, Customer.id)).all())
    for name, sessions in (("reads", Reading), ("tx_reads", Writing)):
        harness.phase(name, harness.ROUNDS * 9, lambda s=sessions: harness.in_threads(harness.THREADS, lambda n: rounds(n, ids, s)))


def rounds(thread, ids, sessions):
    for k in range(thread, harness.ROUNDS, harness.THREADS):
        with sessions() as session:
            read_round(session, k, ids)


def read_round(session: Session, k, ids):
    i = k % harness.CUSTOMERS + 1
    email, status = f"c{i}@example.com", harness.STATUSES[k % 3]
    harness.eq("by id", f"Customer {i}", session.get(Customer, ids[email]).name)
    page = select(Order).options(joinedload(Order.customer)).filter_by(status="paid").order_by(Order.total.desc())
    page = session.scalars(page.limit(10).offset(k % 5 * 10)).all()
    harness.eq("page", harness.paid_page(k % 5), [(number(o.customer), int(o.total * 100)) for o in page])
    harness.eq("count", harness.COUNTS[status], session.scalar(select(func.count()).select_from(Order).filter_by(status=status)))
    harness.eq("exists", True, session.scalar(select(exists().where(Customer.email == email))))
    total = session.scalar(select(func.sum(Order.total)).join(Customer).where(Customer.email == email))
    harness.eq("sum", Decimal(i * 100 + 60), total)
    groups = dict(session.execute(select(Order.status, func.count()).group_by(Order.status)).all())
    harness.eq("groups", harness.COUNTS, groups)
    session.expunge_all()
    own = select(Customer).options(selectinload(Customer.orders).selectinload(Order.lines)).filter_by(email=email)
    own = session.scalars(own).one().orders
    harness.eq("lines", [[1, 2]] * 10, [[line.quantity for line in o.lines] for o in own])


harness.run(
    "sqlalchemy",
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
        ("delete", delete_),
        ("bulk_insert", bulk_insert),
        ("reads", reads),
    ],
)

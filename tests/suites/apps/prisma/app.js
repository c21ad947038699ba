'use strict';
// The shop on Prisma with its MariaDB driver adapter. Prisma's own `migrate` needs an engine that only comes from
// outside the package registries, so the migrations' SQL is sent through the client, statement by statement.

const fs = require('node:fs');
const path = require('node:path');
const { settings, ROUNDS, WORKERS, STRONG, CUSTOMERS, STATUSES, COUNTS, totalOf, paidPage, equal, fails, together, phase, run } = require(
  path.join(process.env.PM_SHARED || path.join(__dirname, '..', 'shared'), 'harness.js'),
);
const { PrismaClient } = require('@prisma/client');
const { PrismaMariaDb } = require('@prisma/adapter-mariadb');

const client = (connectionLimit) => new PrismaClient({ adapter: new PrismaMariaDb({ ...settings, connectionLimit, allowPublicKeyRetrieval: true }) });
const many = client(WORKERS);
// Its pool takes connections in turn, so each statement would be another session's.
const db = STRONG ? many : client(1);
const code = (wanted) => (error) => error.code === wanted;
const email = 'ann@example.com';

async function migrate() {
  console.log('skip prisma migrate_engine prisma migrate needs a schema engine that no package registry has');
  const folder = path.join(__dirname, 'prisma', 'migrations');
  for (const name of fs.readdirSync(folder).sort()) {
    const sql = fs.readFileSync(path.join(folder, name, 'migration.sql'), 'utf8');
    for (const statement of sql.split(/;\s*$/m).filter((s) => s.replace(/^--.*$/gm, '').trim())) await db.$executeRawUnsafe(statement);
  }
  const columns = await db.$queryRaw`SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'Order'`;
  equal('the added column', true, columns.some((c) => c.name === 'note'));
  equal('orders', 0, await db.order.count());
}

async function create() {
  const ann = await db.customer.create({
    data: { email, name: 'Ann Ö. 🙂', orders: { create: { total: '12.50', lines: { create: { sku: 'sku-1', quantity: 2, price: '6.25' } } } } },
    include: { orders: { include: { lines: true } } },
  });
  equal('nested', 2, ann.orders[0].lines[0].quantity);
  const again = await db.customer.upsert({ where: { email }, create: { email, name: 'other' }, update: {} });
  equal('upsert', ann.id, again.id);
}

async function readOne() {
  const ann = await db.customer.findUniqueOrThrow({ where: { email } });
  equal('name', 'Ann Ö. 🙂', ann.name);
  const order = await db.order.findFirst({ where: { customerId: ann.id }, include: { customer: true } });
  equal('order', ['12.5', null, email, 'new'], [String(order.total), order.note, order.customer.email, order.status]);
  await fails('a missing one', code('P2025'), () => db.customer.findUniqueOrThrow({ where: { email: 'nobody@example.com' } }));
}

const unique = () => fails('a second one', code('P2002'), () => db.customer.create({ data: { email, name: 'x' } }));

async function list() {
  const ann = await db.customer.findUnique({ where: { email } });
  for (let n = 0; n < 25; n++) await db.order.create({ data: { customerId: ann.id, total: n, status: 'listed' } });
  const page = await db.order.findMany({ where: { status: 'listed', customer: { email } }, orderBy: { total: 'desc' }, take: 10, skip: 10 });
  equal('second page', [14, 13, 12, 11, 10, 9, 8, 7, 6, 5], page.map((o) => Number(o.total)));
}

async function updateInTransaction() {
  await db.$transaction(async (tx) => {
    const [{ id }] = await tx.$queryRaw`SELECT id FROM \`Order\` WHERE total = 12.50 FOR UPDATE`;
    await tx.order.update({ where: { id }, data: { status: 'paid' } });
    equal('inside', 'paid', (await tx.order.findUnique({ where: { id } })).status);
    await tx.order.updateMany({ where: { status: 'listed' }, data: { total: { increment: 100 } } });
  });
  equal('after', 25, await db.order.count({ where: { status: 'listed', total: { gte: 100 } } }));
}

async function optimistic() {
  const { id, version } = await db.order.findFirst({ where: { status: 'listed' }, orderBy: { id: 'asc' } });
  const change = async () => (await db.order.updateMany({ where: { id, version }, data: { version: { increment: 1 } } })).count;
  equal('first and second', [1, 0], [await change(), await change()]);
}

const bump = (on = db) =>
  on.$transaction(
    async (tx) => {
      const [{ value }] = await tx.$queryRaw`SELECT value FROM Counter WHERE name = 'visits' FOR UPDATE`;
      await tx.counter.update({ where: { name: 'visits' }, data: { value: value + 1 } });
    },
    { maxWait: 20_000, timeout: 20_000 },
  );
const visits = async () => (await db.counter.findUnique({ where: { name: 'visits' } })).value;

async function counter() {
  await db.counter.create({ data: { name: 'visits' } });
  for (let n = 0; n < 5; n++) await bump();
  equal('value', 5, await visits());
}

async function concurrent() {
  await together(async () => {
    for (let n = 0; n < 20; n++) await bump(many);
  });
  equal('value', 5 + 20 * WORKERS, await visits());
}

async function rollback() {
  await fails('the transaction', (e) => e.message === 'on purpose', () =>
    db.$transaction(async (tx) => {
      await tx.customer.create({ data: { email: 'lost@example.com', name: 'Lost' } });
      throw new Error('on purpose');
    }),
  );
  equal('rolled back', null, await db.customer.findUnique({ where: { email: 'lost@example.com' } }));
  const batch = ['kept@example.com', email].map((one) => db.customer.create({ data: { email: one, name: 'Kept' } }));
  await fails('a duplicate in a batch', code('P2002'), () => db.$transaction(batch));
  equal('rolled back with it', 0, await db.customer.count({ where: { email: 'kept@example.com' } }));
}

async function readYourWrites() {
  for (let n = 0; n < 100; n++) {
    const where = { email: `w${n}@example.com` };
    const { id } = await db.customer.create({ data: { ...where, name: 'new' } });
    equal('a row just made', 'new', (await db.customer.findUnique({ where: { id } })).name);
    await db.customer.update({ where: { id }, data: { name: `changed ${n}` } });
    equal('a row just changed', `changed ${n}`, (await db.customer.findUnique({ where })).name);
    if (n % 2) {
      await db.customer.delete({ where: { id } });
      equal('a row just deleted', null, await db.customer.findUnique({ where }));
    }
  }
}

async function foreignKey() {
  await fails('an order of nobody', code('P2003'), () => db.order.create({ data: { customerId: 987654321, total: 1 } }));
  await fails('a customer with orders', code('P2003'), () => db.customer.delete({ where: { email } }));
}

async function remove() {
  equal('orders', 26, (await db.order.deleteMany({ where: { customer: { email } } })).count);
  equal('lines went with their orders', 0, await db.line.count());
  await db.customer.deleteMany();
  equal('left', 0, await db.customer.count());
}

async function bulkInsert() {
  const numbers = Array.from({ length: CUSTOMERS }, (_, n) => n + 1);
  await db.customer.createMany({ data: numbers.map((i) => ({ email: `c${i}@example.com`, name: `Customer ${i}` })) });
  const orders = [];
  for (const { id, email: own } of await db.customer.findMany()) {
    const i = Number(own.match(/\d+/)[0]);
    for (let j = 1; j <= 10; j++) orders.push({ customerId: id, status: STATUSES[j % 3], total: totalOf(i, j) });
  }
  await db.order.createMany({ data: orders });
  const ids = await db.order.findMany({ select: { id: true } });
  await db.line.createMany({ data: ids.flatMap(({ id }) => [1, 2].map((n) => ({ orderId: id, sku: `sku-${n}`, quantity: n, price: 1 }))) });
  equal('rows', [500, 1000], [await db.order.count(), await db.line.count()]);
}

async function reads() {
  const ids = Object.fromEntries((await db.customer.findMany()).map((c) => [c.email, c.id]));
  await phase('reads', ROUNDS * 9, () =>
    together(async (worker) => {
      for (let k = worker; k < ROUNDS; k += WORKERS) await readRound(many, k, ids);
    }),
  );
}

async function readRound(db, k, ids) {
  const i = (k % CUSTOMERS) + 1;
  const own = `c${i}@example.com`;
  const status = STATUSES[k % 3];
  equal('by id', `Customer ${i}`, (await db.customer.findUnique({ where: { id: ids[own] } })).name);
  const page = await db.order.findMany({ where: { status: 'paid' }, orderBy: { total: 'desc' }, take: 10, skip: (k % 5) * 10, include: { customer: true } });
  equal('page', paidPage(k % 5), page.map((o) => [o.customer.name, Number(o.total)]));
  equal('count', COUNTS[status], await db.order.count({ where: { status } }));
  equal('exists', { id: ids[own] }, await db.customer.findFirst({ where: { email: own }, select: { id: true } }));
  const { _sum } = await db.order.aggregate({ where: { customer: { email: own } }, _sum: { total: true } });
  equal('sum', i * 100 + 60, Number(_sum.total));
  const groups = await db.order.groupBy({ by: ['status'], _count: true, orderBy: { status: 'asc' } });
  equal('groups', COUNTS, Object.fromEntries(groups.map((g) => [g.status, g._count])));
  const whole = await db.customer.findUnique({ where: { email: own }, include: { orders: { include: { lines: { orderBy: { quantity: 'asc' } } } } } });
  equal('lines', Array(10).fill([1, 2]), whole.orders.map((o) => o.lines.map((l) => l.quantity)));
}

run(
  'prisma',
  [
    ['migrate', migrate],
    ['create', create],
    ['read_one', readOne],
    ['unique', unique],
    ['list', list],
    ['update_tx', updateInTransaction],
    ['optimistic', optimistic],
    ['counter', counter],
    ['concurrent', concurrent],
    ['rollback', rollback],
    ['read_your_writes', readYourWrites],
    ['foreign_key', foreignKey],
    ['delete', remove],
    ['bulk_insert', bulkInsert],
    ['reads', reads],
  ],
  () => Promise.all([db.$disconnect(), many.$disconnect()]),
);

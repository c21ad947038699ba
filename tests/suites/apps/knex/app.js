'use strict';
// The shop on Knex with mysql2.

const path = require('node:path');
const { settings, ROUNDS, WORKERS, CUSTOMERS, STATUSES, COUNTS, totalOf, paidPage, equal, fails, together, phase, run } = require(
  path.join(process.env.PM_SHARED || path.join(__dirname, '..', 'shared'), 'harness.js'),
);

const db = require('knex')({
  client: 'mysql2',
  connection: { ...settings, charset: 'utf8mb4', decimalNumbers: true },
  pool: { min: 0, max: WORKERS },
  migrations: { directory: path.join(__dirname, 'migrations') },
});

const code = (wanted) => (error) => error.errno === wanted;
const count = async (query) => Number((await query.count({ n: '*' }))[0].n);
const customer = (email, on = db) => on('shop_customers').where({ email }).first();

async function migrate() {
  await db.migrate.latest();
  await db.migrate.rollback(); // drops all three again
  equal('tables after the rollback', false, await db.schema.hasTable('shop_orders'));
  await db.migrate.latest();
  equal('left to do', 0, (await db.migrate.list())[1].length);
  equal('the added column', true, await db.schema.hasColumn('shop_orders', 'note'));
}

async function create() {
  const [id] = await db('shop_customers').insert({ email: 'ann@example.com', name: 'Ann Ö. 🙂' });
  const [order] = await db('shop_orders').insert({ customer_id: id, total: 12.5 });
  await db('shop_lines').insert({ order_id: order, sku: 'sku-1', quantity: 2, price: 6.25 });
}

async function readOne() {
  const ann = await customer('ann@example.com');
  equal('name', 'Ann Ö. 🙂', ann.name);
  const order = await db('shop_orders as o').join('shop_customers as c', 'c.id', 'o.customer_id').where('c.id', ann.id).first('o.total', 'o.note', 'c.email');
  equal('order', { total: 12.5, note: null, email: 'ann@example.com' }, { ...order });
  equal('a missing one', undefined, await customer('nobody@example.com'));
}

const unique = () => fails('a second one', code(1062), () => db('shop_customers').insert({ email: 'ann@example.com', name: 'x' }));

async function list() {
  const ann = await customer('ann@example.com');
  for (let n = 0; n < 25; n++) await db('shop_orders').insert({ customer_id: ann.id, total: n, status: 'listed' });
  const page = db('shop_orders as o').join('shop_customers as c', 'c.id', 'o.customer_id').where({ 'c.email': 'ann@example.com', 'o.status': 'listed' });
  const totals = await page.orderBy('o.total', 'desc').limit(10).offset(10).pluck('o.total');
  equal('second page', [14, 13, 12, 11, 10, 9, 8, 7, 6, 5], totals);
}

async function updateInTransaction() {
  await db.transaction(async (trx) => {
    const order = await trx('shop_orders').where({ total: 12.5 }).forUpdate().first();
    await trx('shop_orders').where({ id: order.id }).update({ status: 'paid' });
    equal('inside', 'paid', (await trx('shop_orders').where({ id: order.id }).first()).status);
    await trx('shop_orders').where({ status: 'listed' }).increment('total', 100);
  });
  equal('after', 25, await count(db('shop_orders').where({ status: 'listed' }).where('total', '>=', 100)));
}

async function optimistic() {
  const { id, version } = await db('shop_orders').where({ status: 'listed' }).orderBy('id').first();
  const change = () => db('shop_orders').where({ id, version }).update({ version: version + 1 });
  equal('first and second', [1, 0], [await change(), await change()]);
}

const bump = () =>
  db.transaction(async (trx) => {
    const { value } = await trx('shop_counters').where({ name: 'visits' }).forUpdate().first();
    await trx('shop_counters').where({ name: 'visits' }).update({ value: value + 1 });
  });
const visits = async () => (await db('shop_counters').where({ name: 'visits' }).first()).value;

async function counter() {
  await db('shop_counters').insert({ name: 'visits' });
  for (let n = 0; n < 5; n++) await bump();
  equal('value', 5, await visits());
}

async function concurrent() {
  await together(async () => {
    for (let n = 0; n < 20; n++) await bump();
  });
  equal('value', 5 + 20 * WORKERS, await visits());
}

async function rollback() {
  await fails('the transaction', (e) => e.message === 'on purpose', () =>
    db.transaction(async (trx) => {
      await trx('shop_customers').insert({ email: 'lost@example.com', name: 'Lost' });
      throw new Error('on purpose');
    }),
  );
  equal('rolled back', undefined, await customer('lost@example.com'));
  await db.transaction(async (trx) => {
    await trx('shop_customers').insert({ email: 'kept@example.com', name: 'Kept' });
    await fails('a duplicate in a savepoint', code(1062), () =>
      trx.transaction((inner) => inner('shop_customers').insert({ email: 'ann@example.com', name: 'x' })),
    );
  });
  equal('kept', 'Kept', (await customer('kept@example.com')).name);
}

async function readYourWrites() {
  for (let n = 0; n < 100; n++) {
    const email = `w${n}@example.com`;
    const [id] = await db('shop_customers').insert({ email, name: 'new' });
    equal('a row just made', 'new', (await db('shop_customers').where({ id }).first()).name);
    await db('shop_customers').where({ id }).update({ name: `changed ${n}` });
    equal('a row just changed', `changed ${n}`, (await customer(email)).name);
    if (n % 2) {
      await db('shop_customers').where({ id }).delete();
      equal('a row just deleted', undefined, await customer(email));
    }
  }
}

async function foreignKey() {
  await fails('an order of nobody', code(1452), () => db('shop_orders').insert({ customer_id: 987654321, total: 1 }));
  await fails('a customer with orders', code(1451), () => db('shop_customers').where({ email: 'ann@example.com' }).delete());
}

async function remove() {
  equal('orders', 26, await db('shop_orders').whereIn('customer_id', db('shop_customers').select('id').where({ email: 'ann@example.com' })).delete());
  equal('lines went with their orders', 0, await count(db('shop_lines')));
  await db('shop_customers').delete();
  equal('left', 0, await count(db('shop_customers')));
}

async function bulkInsert() {
  const numbers = Array.from({ length: CUSTOMERS }, (_, n) => n + 1);
  await db.batchInsert('shop_customers', numbers.map((i) => ({ email: `c${i}@example.com`, name: `Customer ${i}` })), 20);
  await db.transaction(async (trx) => {
    const orders = [];
    for (const i of numbers) {
      const { id } = await customer(`c${i}@example.com`, trx);
      for (let j = 1; j <= 10; j++) orders.push({ customer_id: id, status: STATUSES[j % 3], total: totalOf(i, j) });
    }
    await trx.batchInsert('shop_orders', orders, 200);
    const ids = await trx('shop_orders').pluck('id');
    await trx.batchInsert('shop_lines', ids.flatMap((id) => [1, 2].map((n) => ({ order_id: id, sku: `sku-${n}`, quantity: n, price: 1 }))), 500);
  });
  equal('rows', [500, 1000], [await count(db('shop_orders')), await count(db('shop_lines'))]);
}

async function reads() {
  const ids = Object.fromEntries((await db('shop_customers').select('email', 'id')).map((c) => [c.email, c.id]));
  await phase('reads', ROUNDS * 8, () =>
    together(async (worker) => {
      for (let k = worker; k < ROUNDS; k += WORKERS) await readRound(k, ids);
    }),
  );
}

async function readRound(k, ids) {
  const i = (k % CUSTOMERS) + 1;
  const email = `c${i}@example.com`;
  const status = STATUSES[k % 3];
  equal('by id', `Customer ${i}`, (await db('shop_customers').where({ id: ids[email] }).first()).name);
  const paid = db('shop_orders as o').join('shop_customers as c', 'c.id', 'o.customer_id').where('o.status', 'paid').orderBy('o.total', 'desc');
  const page = await paid.limit(10).offset((k % 5) * 10).select('c.name', 'o.total');
  equal('page', paidPage(k % 5), page.map((row) => [row.name, row.total]));
  equal('count', COUNTS[status], await count(db('shop_orders').where({ status })));
  equal('exists', 1, (await db.select(db.raw('exists ? as there', [db('shop_customers').where({ email })])))[0].there);
  const [{ sum }] = await db('shop_orders').whereIn('customer_id', db('shop_customers').select('id').where({ email })).sum({ sum: 'total' });
  equal('sum', i * 100 + 60, sum);
  const groups = await db('shop_orders').select('status').count({ n: '*' }).groupBy('status');
  equal('groups', COUNTS, Object.fromEntries(groups.map((g) => [g.status, Number(g.n)]).sort()));
  const orders = await db('shop_orders').where({ customer_id: ids[email] }).pluck('id');
  const lines = await db('shop_lines').whereIn('order_id', orders).orderBy(['order_id', 'quantity']).pluck('quantity');
  equal('lines', Array.from({ length: 20 }, (_, n) => (n % 2) + 1), lines);
}

run(
  'knex',
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
  () => db.destroy(),
);

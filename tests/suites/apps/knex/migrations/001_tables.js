'use strict';

exports.up = async (knex) => {
  await knex.schema.createTable('shop_customers', (t) => {
    t.bigIncrements('id');
    t.string('email', 120).notNullable().unique();
    t.string('name', 120).notNullable();
    t.timestamp('created_at').notNullable().defaultTo(knex.fn.now());
  });
  await knex.schema.createTable('shop_orders', (t) => {
    t.bigIncrements('id');
    t.bigInteger('customer_id').unsigned().notNullable().references('id').inTable('shop_customers');
    t.string('status', 20).notNullable().defaultTo('new');
    t.decimal('total', 10, 2).notNullable();
    t.integer('version').notNullable().defaultTo(0);
    t.timestamp('placed_at').notNullable().defaultTo(knex.fn.now());
  });
  await knex.schema.createTable('shop_lines', (t) => {
    t.bigIncrements('id');
    t.bigInteger('order_id').unsigned().notNullable().references('id').inTable('shop_orders').onDelete('CASCADE');
    t.string('sku', 40).notNullable();
    t.integer('quantity').notNullable();
    t.decimal('price', 10, 2).notNullable();
  });
  await knex.schema.createTable('shop_counters', (t) => {
    t.string('name', 40).primary();
    t.integer('value').notNullable().defaultTo(0);
  });
};

exports.down = (knex) =>
  ['shop_counters', 'shop_lines', 'shop_orders', 'shop_customers'].reduce((done, table) => done.then(() => knex.schema.dropTable(table)), Promise.resolve());

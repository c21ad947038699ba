'use strict';

exports.up = async (knex) => {
  await knex.schema.alterTable('shop_orders', (t) => t.string('note', 200));
  await knex('shop_orders').whereNull('note').update({ note: 'none' });
};

exports.down = (knex) => knex.schema.alterTable('shop_orders', (t) => t.dropColumn('note'));

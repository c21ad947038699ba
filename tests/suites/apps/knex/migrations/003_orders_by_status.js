'use strict';

exports.up = (knex) => knex.schema.alterTable('shop_orders', (t) => t.index(['status', 'placed_at'], 'shop_orders_by_status'));

exports.down = (knex) => knex.schema.alterTable('shop_orders', (t) => t.dropIndex(['status', 'placed_at'], 'shop_orders_by_status'));

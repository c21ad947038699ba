CREATE INDEX shop_orders_by_status ON shop_orders (status, placed_at);

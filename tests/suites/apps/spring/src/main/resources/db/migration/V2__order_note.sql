ALTER TABLE shop_orders ADD COLUMN note VARCHAR(200);
UPDATE shop_orders SET note = 'none' WHERE note IS NULL;

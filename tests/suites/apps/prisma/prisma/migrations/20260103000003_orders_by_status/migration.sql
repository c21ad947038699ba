-- CreateIndex
CREATE INDEX `Order_by_status` ON `Order`(`status`, `placedAt`);

-- AlterTable
ALTER TABLE `Order` ADD COLUMN `note` VARCHAR(200) NULL;

UPDATE `Order` SET `note` = 'none' WHERE `note` IS NULL;

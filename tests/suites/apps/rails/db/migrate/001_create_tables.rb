# The tables.
class CreateTables < ActiveRecord::Migration[6.1]
  def change
    create_table :customers do |t|
      t.string :email, limit: 120, null: false, index: { unique: true }
      t.string :name, limit: 120, null: false
      t.timestamps
    end
    create_table :orders do |t|
      t.references :customer, null: false, foreign_key: true
      t.string :status, limit: 20, null: false, default: "new"
      t.decimal :total, precision: 10, scale: 2, null: false
      t.integer :lock_version, null: false, default: 0
      t.timestamps
    end
    create_table :lines do |t|
      t.references :order, null: false, foreign_key: { on_delete: :cascade }
      t.string :sku, limit: 40, null: false
      t.integer :quantity, null: false
      t.decimal :price, precision: 10, scale: 2, null: false
    end
    create_table :counters do |t|
      t.string :name, limit: 40, null: false, index: { unique: true }
      t.integer :value, null: false, default: 0
    end
  end
end

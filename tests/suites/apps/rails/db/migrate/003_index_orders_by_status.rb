# An index.
class IndexOrdersByStatus < ActiveRecord::Migration[6.1]
  def change
    add_index :orders, %i[status created_at], name: "orders_by_status"
  end
end

# A column, with values in the rows that are there.
class AddNoteToOrders < ActiveRecord::Migration[6.1]
  def up
    add_column :orders, :note, :string, limit: 200
    execute "UPDATE orders SET note = 'none' WHERE note IS NULL"
  end

  def down
    remove_column :orders, :note
  end
end

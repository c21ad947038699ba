# The shop on Rails' ActiveRecord with mysql2.
# usage: app.rb rails|rails_prepared   the second prepares its statements on the server
require "logger"
require "bigdecimal"
require "active_record"
require_relative "harness"
include Harness

NAME = ARGV.fetch(0)
$stdout.sync = true
ActiveRecord::Base.establish_connection(
  adapter: "mysql2", host: ENV.fetch("PM_HOST", "127.0.0.1"), port: Integer(ENV.fetch("PM_RW", "3306")),
  username: ENV.fetch("PM_USER", "app"), password: ENV.fetch("PM_PASSWORD", "app"), database: ENV.fetch("PM_DATABASE", "sbtest"),
  encoding: "utf8mb4", pool: THREADS + 1, prepared_statements: NAME == "rails_prepared"
)
ActiveRecord::Migration.verbose = false

class Customer < ActiveRecord::Base
  has_many :orders, dependent: :restrict_with_exception
end

class Order < ActiveRecord::Base
  belongs_to :customer
  has_many :lines
end

class Line < ActiveRecord::Base
  belongs_to :order
end

class Counter < ActiveRecord::Base
end

def migrate
  context = ActiveRecord::MigrationContext.new(File.join(__dir__, "db/migrate"), ActiveRecord::SchemaMigration)
  context.migrate
  context.rollback(3)
  equal "tables after the rollback", false, ActiveRecord::Base.connection.table_exists?(:orders)
  context.migrate
  equal "left to do", false, context.needs_migration?
  [Customer, Order, Line, Counter].each(&:reset_column_information)
  equal "the added column", true, Order.column_names.include?("note")
  equal "the index", true, ActiveRecord::Base.connection.index_exists?(:orders, %i[status created_at])
end

def create
  ann = Customer.create!(email: "ann@example.com", name: "Ann Ö. 🙂")
  order = ann.orders.create!(total: "12.50")
  order.lines.create!(sku: "sku-1", quantity: 2, price: "6.25")
  equal "find_or_create_by", ann.id, Customer.find_or_create_by!(email: "ann@example.com") { |c| c.name = "other" }.id
end

def read_one
  ann = Customer.find_by!(email: "ann@example.com")
  equal "name", "Ann Ö. 🙂", ann.name
  order = Order.eager_load(:customer).find_by!(customer: ann)
  equal "order", [BigDecimal("12.5"), nil, "ann@example.com", "new"], [order.total, order.note, order.customer.email, order.status]
  fails("a missing one", ActiveRecord::RecordNotFound) { Customer.find_by!(email: "nobody@example.com") }
end

def unique
  fails("a second one", ActiveRecord::RecordNotUnique) { Customer.create!(email: "ann@example.com", name: "x") }
end

def list
  ann = Customer.find_by!(email: "ann@example.com")
  25.times { |n| ann.orders.create!(total: n, status: "listed") }
  page = Order.joins(:customer).where(customers: { email: "ann@example.com" }, status: "listed").order(total: :desc).limit(10).offset(10)
  equal "second page", (5..14).to_a.reverse, page.map { |o| o.total.to_i }
end

def update_tx
  Order.transaction do
    order = Order.lock.find_by!(total: "12.50")
    order.update!(status: "paid")
    equal "inside", "paid", Order.find(order.id).status
    Order.where(status: "listed").update_all("total = total + 100")
  end
  equal "after", 25, Order.where(status: "listed").where("total >= ?", 100).count
end

def optimistic
  first, second = Array.new(2) { Order.where(status: "listed").order(:id).first }
  first.update!(note: "first")
  fails("the second change", ActiveRecord::StaleObjectError) { second.update!(note: "second") }
end

def bump
  Counter.transaction do
    counter = Counter.lock.find_by!(name: "visits")
    counter.update!(value: counter.value + 1)
  end
end

def visits = Counter.find_by!(name: "visits").value

def counter
  Counter.create!(name: "visits")
  5.times { bump }
  equal "value", 5, visits
end

def concurrent
  together { ActiveRecord::Base.connection_pool.with_connection { 20.times { bump } } }
  equal "value", 5 + 20 * THREADS, visits
end

def rollback
  fails("the transaction", ArgumentError) do
    Customer.transaction do
      Customer.create!(email: "lost@example.com", name: "Lost")
      raise ArgumentError, "on purpose"
    end
  end
  equal "rolled back", false, Customer.exists?(email: "lost@example.com")
  Customer.transaction do
    Customer.create!(email: "kept@example.com", name: "Kept")
    fails("a duplicate in a savepoint", ActiveRecord::RecordNotUnique) do
      Customer.transaction(requires_new: true) { Customer.create!(email: "ann@example.com", name: "x") }
    end
  end
  equal "kept", 1, Customer.where(email: "kept@example.com").count
end

def read_your_writes
  100.times do |n|
    made = Customer.create!(email: "w#{n}@example.com", name: "new")
    equal "a row just made", "new", Customer.find(made.id).name
    made.update!(name: "changed #{n}")
    equal "a row just changed", "changed #{n}", Customer.find_by!(email: "w#{n}@example.com").name
    next if n.even?

    made.delete
    equal "a row just deleted", false, Customer.exists?(email: "w#{n}@example.com")
  end
end

def foreign_key
  fails("an order of nobody", ActiveRecord::InvalidForeignKey) { Order.new(customer_id: 987_654_321, total: 1).save!(validate: false) }
  fails("a customer with orders", ActiveRecord::InvalidForeignKey) { Customer.where(email: "ann@example.com").delete_all }
end

def delete
  equal "orders", 26, Order.where(customer: Customer.where(email: "ann@example.com")).delete_all
  equal "lines went with their orders", 0, Line.count
  Customer.in_batches(of: 30).delete_all
  equal "left", 0, Customer.count
end

def bulk_insert
  now = Time.now.utc
  Customer.transaction do
    Customer.insert_all!((1..CUSTOMERS).map { |i| { email: "c#{i}@example.com", name: "Customer #{i}", created_at: now, updated_at: now } })
    Order.insert_all!(Customer.pluck(:email, :id).flat_map do |email, id|
      i = Integer(email[/\d+/])
      (1..10).map { |j| { customer_id: id, status: STATUSES[j % 3], total: total(i, j), created_at: now, updated_at: now } }
    end)
    Line.insert_all!(Order.pluck(:id).flat_map { |id| [1, 2].map { |n| { order_id: id, sku: "sku-#{n}", quantity: n, price: 1 } } })
  end
  equal "rows", [500, 1000], [Order.count, Line.count]
end

def reads
  ids = Customer.pluck(:email, :id).to_h
  phase("reads", ROUNDS * 9) do
    together do |thread|
      ActiveRecord::Base.connection_pool.with_connection { (thread...ROUNDS).step(THREADS) { |k| read_round(k, ids) } }
    end
  end
end

def read_round(k, ids)
  i = k % CUSTOMERS + 1
  email, status = "c#{i}@example.com", STATUSES[k % 3]
  equal "by id", "Customer #{i}", Customer.find(ids[email]).name
  page = Order.eager_load(:customer).where(status: "paid").order(total: :desc).limit(10).offset(k % 5 * 10)
  equal "page", paid_page(k % 5), page.map { |o| [o.customer.name, o.total] }
  equal "count", COUNTS[status], Order.where(status: status).count
  equal "exists", true, Customer.exists?(email: email)
  equal "sum", i * 100 + 60, Order.joins(:customer).where(customers: { email: email }).sum(:total)
  equal "groups", COUNTS, Order.group(:status).count
  own = Customer.includes(orders: :lines).find_by!(email: email)
  equal "lines", [[1, 2]] * 10, own.orders.map { |o| o.lines.map(&:quantity).sort }
end

Harness.run(NAME, %i[migrate create read_one unique list update_tx optimistic counter concurrent rollback read_your_writes
                     foreign_key delete bulk_insert reads].map { |name| [name, method(name)] })

// The shop on GORM. Its argument is the variant and the name it reports: gorm, or gorm_prepared, which keeps its
// prepared statements.
package main

import (
	"errors"
	"fmt"
	"os"

	driver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

var db *gorm.DB

func main() {
	app := os.Args[1]
	source := fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?charset=utf8mb4&parseTime=true&allowCleartextPasswords=false", env("PM_USER", "app"),
		env("PM_PASSWORD", "app"), env("PM_HOST", "127.0.0.1"), env("PM_RW", "3306"), env("PM_DATABASE", "sbtest"))
	opened, err := gorm.Open(mysql.Open(source), &gorm.Config{
		PrepareStmt: app == "gorm_prepared",
		Logger:      logger.Default.LogMode(logger.Silent),
	})
	if err != nil {
		fmt.Printf("FAIL %s open %v\n", app, err)
		os.Exit(1)
	}
	db = opened
	pool, err := db.DB()
	must("pool", err)
	pool.SetMaxOpenConns(threads)
	pool.SetMaxIdleConns(threads)
	failed := false
	for _, c := range []check{
		{"migrate", migrate}, {"create", create}, {"read_one", readOne}, {"unique", unique}, {"list", list},
		{"update_tx", updateInTransaction}, {"optimistic", optimistic}, {"counter", counter}, {"concurrent", concurrent},
		{"rollback", rollback}, {"read_your_writes", readYourWrites}, {"foreign_key", foreignKey}, {"delete", remove},
		{"bulk_insert", bulkInsert}, {"reads", reads},
	} {
		failed = !report(app, c) || failed
	}
	pool.Close()
	if failed {
		os.Exit(1)
	}
}

func number(err error) uint16 {
	var mysqlError *driver.MySQLError
	if errors.As(err, &mysqlError) {
		return mysqlError.Number
	}
	return 0
}

func count(query *gorm.DB) (n int64) {
	must("count", query.Count(&n).Error)
	return
}

func customer(tx *gorm.DB, email string) (c Customer) {
	must(email, tx.Where("email = ?", email).Take(&c).Error)
	return
}

func migrate() {
	m := db.Migrator()
	must("tables", db.AutoMigrate(&Customer{}, &firstOrder{}, &Counter{}))
	must("lines", m.CreateTable(&Line{}))
	equal("the column to add", false, m.HasColumn(&Order{}, "Note"))
	must("column", m.AddColumn(&Order{}, "Note"))
	must("values", db.Model(&Order{}).Where("note IS NULL").Update("note", "none").Error)
	must("index", m.CreateIndex(&Order{}, "orders_by_status"))
	must("once more", db.AutoMigrate(&Customer{}, &Order{}, &Line{}, &Counter{}))
	equal("there", []bool{true, true, true}, []bool{m.HasColumn(&Order{}, "Note"), m.HasIndex(&Order{}, "orders_by_status"), m.HasConstraint(&Order{}, "Lines")})
}

func create() {
	ann := Customer{Email: "ann@example.com", Name: "Ann Ö. 🙂", Orders: []Order{{Total: 12.5, Lines: []Line{{Sku: "sku-1", Quantity: 2, Price: 6.25}}}}}
	must("create", db.Create(&ann).Error)
	equal("ids", true, ann.ID > 0 && ann.Orders[0].ID > 0 && ann.Orders[0].Lines[0].ID > 0)
}

func readOne() {
	ann := customer(db, "ann@example.com")
	equal("name", "Ann Ö. 🙂", ann.Name)
	var order Order
	must("order", db.Joins("Customer").Where("customer_id = ?", ann.ID).First(&order).Error)
	equal("order", []any{12.5, (*string)(nil), "ann@example.com", "new"}, []any{order.Total, order.Note, order.Customer.Email, order.Status})
	err := db.Where("email = ?", "nobody@example.com").First(&Customer{}).Error
	equal("a missing one", true, errors.Is(err, gorm.ErrRecordNotFound))
}

func unique() {
	equal("code", uint16(1062), number(db.Create(&Customer{Email: "ann@example.com", Name: "x"}).Error))
}

func list() {
	ann := customer(db, "ann@example.com")
	for n := 0; n < 25; n++ {
		must("order", db.Create(&Order{CustomerID: ann.ID, Total: float64(n), Status: "listed"}).Error)
	}
	var page []Order
	query := db.Joins("JOIN customers c ON c.id = orders.customer_id").Where("c.email = ? AND status = ?", "ann@example.com", "listed")
	must("page", query.Order("total DESC").Limit(10).Offset(10).Find(&page).Error)
	for n, order := range page {
		equal("second page", float64(14-n), order.Total)
	}
	equal("its length", 10, len(page))
}

func updateInTransaction() {
	must("transaction", db.Transaction(func(tx *gorm.DB) error {
		var order Order
		must("lock", tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("total = ?", 12.5).First(&order).Error)
		must("save", tx.Model(&order).Update("status", "paid").Error)
		equal("inside", int64(1), count(tx.Model(&Order{}).Where("id = ? AND status = 'paid'", order.ID)))
		return tx.Model(&Order{}).Where("status = ?", "listed").Update("total", gorm.Expr("total + ?", 100)).Error
	}))
	equal("after", int64(25), count(db.Model(&Order{}).Where("status = ? AND total >= ?", "listed", 100)))
}

func optimistic() {
	var order Order
	must("order", db.Where("status = ?", "listed").First(&order).Error)
	change := func() int64 {
		return db.Model(&Order{}).Where("id = ? AND version = ?", order.ID, order.Version).Update("version", order.Version+1).RowsAffected
	}
	equal("first and second", []int64{1, 0}, []int64{change(), change()})
}

func bump() {
	must("bump", db.Transaction(func(tx *gorm.DB) error {
		var c Counter
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("name = ?", "visits").Take(&c).Error; err != nil {
			return err
		}
		return tx.Model(&c).Update("value", c.Value+1).Error
	}))
}

func visits() int {
	var c Counter
	must("visits", db.Where("name = ?", "visits").Take(&c).Error)
	return c.Value
}

func counter() {
	must("create", db.Create(&Counter{Name: "visits"}).Error)
	for n := 0; n < 5; n++ {
		bump()
	}
	equal("value", 5, visits())
}

func concurrent() {
	together(func(int) {
		for n := 0; n < 20; n++ {
			bump()
		}
	})
	equal("value", 5+20*threads, visits())
}

func rollback() {
	purpose := errors.New("on purpose")
	err := db.Transaction(func(tx *gorm.DB) error {
		must("lost", tx.Create(&Customer{Email: "lost@example.com", Name: "Lost"}).Error)
		return purpose
	})
	equal("the transaction", purpose, err)
	equal("rolled back", int64(0), count(db.Model(&Customer{}).Where("email = ?", "lost@example.com")))
	must("with a savepoint", db.Transaction(func(tx *gorm.DB) error {
		must("kept", tx.Create(&Customer{Email: "kept@example.com", Name: "Kept"}).Error)
		err := tx.Transaction(func(inner *gorm.DB) error { return inner.Create(&Customer{Email: "ann@example.com"}).Error })
		equal("a duplicate in a savepoint", uint16(1062), number(err))
		return nil
	}))
	equal("kept", "Kept", customer(db, "kept@example.com").Name)
}

func readYourWrites() {
	must("connection", db.Connection(func(one *gorm.DB) error {
		one = one.Session(&gorm.Session{NewDB: true})
		for n := 0; n < 100; n++ {
			made := Customer{Email: fmt.Sprintf("w%d@example.com", n), Name: "new"}
			must("create", one.Create(&made).Error)
			equal("a row just made", "new", customer(one, made.Email).Name)
			must("change", one.Model(&made).Update("name", fmt.Sprintf("changed %d", n)).Error)
			equal("a row just changed", made.Name, customer(one, made.Email).Name)
			if n%2 == 1 {
				must("delete", one.Delete(&made).Error)
				equal("a row just deleted", int64(0), count(one.Model(&Customer{}).Where("email = ?", made.Email)))
			}
		}
		return nil
	}))
}

func foreignKey() {
	equal("an order of nobody", uint16(1452), number(db.Create(&Order{CustomerID: 987654321, Total: 1}).Error))
	equal("a customer with orders", uint16(1451), number(db.Where("email = ?", "ann@example.com").Delete(&Customer{}).Error))
}

func remove() {
	ann := customer(db, "ann@example.com")
	done := db.Where("customer_id = ?", ann.ID).Delete(&Order{})
	must("orders", done.Error)
	equal("orders", int64(26), done.RowsAffected)
	equal("lines went with their orders", int64(0), count(db.Model(&Line{})))
	must("customers", db.Where("1 = 1").Delete(&Customer{}).Error)
	equal("left", int64(0), count(db.Model(&Customer{})))
}

func bulkInsert() {
	must("transaction", db.Transaction(func(tx *gorm.DB) error {
		var rows []Customer
		for i := 1; i <= customers; i++ {
			rows = append(rows, Customer{Email: fmt.Sprintf("c%d@example.com", i), Name: fmt.Sprintf("Customer %d", i)})
		}
		must("customers", tx.CreateInBatches(&rows, 20).Error)
		var orders []Order
		for i := 1; i <= customers; i++ {
			for j := 1; j <= 10; j++ {
				lines := []Line{{Sku: "sku-1", Quantity: 1, Price: 1}, {Sku: "sku-2", Quantity: 2, Price: 1}}
				orders = append(orders, Order{CustomerID: customer(tx, fmt.Sprintf("c%d@example.com", i)).ID, Status: statuses[j%3], Total: total(i, j), Lines: lines})
			}
		}
		return tx.CreateInBatches(&orders, 200).Error
	}))
	equal("rows", []int64{500, 1000}, []int64{count(db.Model(&Order{})), count(db.Model(&Line{}))})
}

package main

import (
	"fmt"

	"gorm.io/gorm"
)

func reads() {
	var all []Customer
	must("customers", db.Find(&all).Error)
	ids := map[string]uint64{}
	for _, c := range all {
		ids[c.Email] = c.ID
	}
	phase("reads", rounds*9, func() {
		together(func(thread int) {
			for k := thread; k < rounds; k += threads {
				readRound(k, ids)
			}
		})
	})
}

func readRound(k int, ids map[string]uint64) {
	i := k%customers + 1
	email, status := fmt.Sprintf("c%d@example.com", i), statuses[k%3]
	var byID Customer
	must("by id", db.First(&byID, ids[email]).Error)
	equal("by id", fmt.Sprintf("Customer %d", i), byID.Name)

	var orders []Order
	must("page", db.Joins("Customer").Where("status = ?", "paid").Order("total DESC").Limit(10).Offset(k%5*10).Find(&orders).Error)
	var page []string
	for _, o := range orders {
		page = append(page, fmt.Sprintf("%s %.2f", o.Customer.Name, o.Total))
	}
	equal("page", paidPage(k%5), page)

	equal("count", counts[status], count(db.Model(&Order{}).Where("status = ?", status)))
	var there bool
	must("exists", db.Raw("SELECT EXISTS(SELECT 1 FROM customers WHERE email = ?)", email).Scan(&there).Error)
	equal("exists", true, there)
	var sum float64
	must("sum", db.Model(&Order{}).Select("SUM(total)").Where("customer_id = ?", ids[email]).Scan(&sum).Error)
	equal("sum", float64(i*100+60), sum)

	var groups []struct {
		Status string
		N      int64
	}
	must("groups", db.Model(&Order{}).Select("status, COUNT(*) AS n").Group("status").Scan(&groups).Error)
	got := map[string]int64{}
	for _, g := range groups {
		got[g.Status] = g.N
	}
	equal("groups", counts, got)

	var whole Customer
	ordered := func(tx *gorm.DB) *gorm.DB { return tx.Order("quantity") }
	must("lines", db.Preload("Orders.Lines", ordered).Where("email = ?", email).Take(&whole).Error)
	equal("orders", 10, len(whole.Orders))
	for _, o := range whole.Orders {
		equal("lines", []int{1, 2}, []int{o.Lines[0].Quantity, o.Lines[1].Quantity})
	}
}

package main

import "time"

// A shop: customers, their orders with lines, and counters.

type Customer struct {
	ID        uint64
	Email     string `gorm:"size:120;uniqueIndex"`
	Name      string `gorm:"size:120"`
	CreatedAt time.Time
	Orders    []Order
}

// What the first migration makes; Order has what later ones add.
type firstOrder struct {
	ID         uint64
	CustomerID uint64
	Customer   Customer
	Status     string  `gorm:"size:20;default:new"`
	Total      float64 `gorm:"type:decimal(10,2)"`
	Version    int
	CreatedAt  time.Time
}

func (firstOrder) TableName() string { return "orders" }

type Order struct {
	ID         uint64
	CustomerID uint64
	Customer   Customer
	Status     string  `gorm:"size:20;default:new;index:orders_by_status"`
	Total      float64 `gorm:"type:decimal(10,2)"`
	Version    int
	CreatedAt  time.Time `gorm:"index:orders_by_status"`
	Note       *string   `gorm:"size:200"`
	Lines      []Line    `gorm:"constraint:OnDelete:CASCADE"`
}

type Line struct {
	ID       uint64
	OrderID  uint64
	Sku      string `gorm:"size:40"`
	Quantity int
	Price    float64 `gorm:"type:decimal(10,2)"`
}

type Counter struct {
	Name  string `gorm:"size:40;primaryKey"`
	Value int
}

"""A shop: customers, their orders with lines, and counters."""

from django.db import models


class Customer(models.Model):
    email = models.EmailField(unique=True, max_length=120)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    status = models.CharField(max_length=20, default="new")
    total = models.DecimalField(max_digits=10, decimal_places=2)
    version = models.IntegerField(default=0)
    placed_at = models.DateTimeField(auto_now_add=True)
    note = models.CharField(max_length=200, null=True)

    class Meta:
        indexes = [models.Index(fields=["status", "placed_at"], name="shop_order_by_status")]


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=40)
    quantity = models.IntegerField()
    price = models.DecimalField(max_digits=10, decimal_places=2)


class Counter(models.Model):
    name = models.CharField(primary_key=True, max_length=40)
    value = models.IntegerField(default=0)

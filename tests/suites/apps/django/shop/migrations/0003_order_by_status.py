"""An index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_order_note")]
    operations = [
        migrations.AddIndex("Order", models.Index(fields=["status", "placed_at"], name="shop_order_by_status")),
    ]

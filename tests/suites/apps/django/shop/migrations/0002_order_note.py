"""A column, with values in the rows that are there."""

from django.db import migrations, models


def fill(apps, _schema_editor):
    apps.get_model("shop", "Order").objects.filter(note=None).update(note="none")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("Order", "note", models.CharField(max_length=200, null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

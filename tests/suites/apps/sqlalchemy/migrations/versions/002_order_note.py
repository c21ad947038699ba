"""A column, with values in the rows that are there."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "002", "001"


def upgrade():
    op.add_column("shop_orders", sa.Column("note", sa.String(200)))
    op.execute("UPDATE shop_orders SET note = 'none' WHERE note IS NULL")

"""An index."""

from alembic import op

revision, down_revision = "003", "002"


def upgrade():
    op.create_index("shop_orders_by_status", "shop_orders", ["status", "placed_at"])

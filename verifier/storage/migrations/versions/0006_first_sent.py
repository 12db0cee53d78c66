"""When the first question about a waiting pack was sent: its 24 hours begin then."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("vrs_pending", sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE vrs_pending SET first_sent_at = first_asked_at WHERE code <> 'unknown_gtin'")


def downgrade() -> None:
    op.drop_column("vrs_pending", "first_sent_at")

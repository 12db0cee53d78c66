from alembic import context

from verifier.storage import tables_returns

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=tables_returns.returns_sessions.metadata)
with context.begin_transaction():
    context.run_migrations()

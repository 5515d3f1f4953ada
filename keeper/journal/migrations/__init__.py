"""Steps that bring the tables of an older journal up to date; `env` is run by Alembic."""

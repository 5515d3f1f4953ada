"""The durable record of every push: SQLite in a file, or PostgreSQL by URL."""

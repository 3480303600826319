"""The database, which is the source of truth: engine, tables, queries, migrations. Only this package writes SQL."""

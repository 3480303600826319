"""The truth: engine, tables, queries by noun, migrations. Nothing else writes SQL."""

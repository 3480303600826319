"""Drivers that run instances. `process` needs nothing but Linux: supervised local processes."""

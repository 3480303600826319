"""Drivers that run instances. `process` needs nothing but Linux, `docker` an engine; `shared` is what both promise."""

"""Drivers that run instances. `process` needs nothing but Linux; `shared` is what every backend promises."""

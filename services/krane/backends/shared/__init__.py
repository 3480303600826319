"""What every backend promises, written once: deployments, their instances, health, restarts, logs and locks.

A backend adds a `Driver` (which deployments there are, and of which image), a `Book` for each deployment (what is
wanted, kept over krane's restarts) and a `Runner` for each instance (how one run begins, is found again, and ends).
"""

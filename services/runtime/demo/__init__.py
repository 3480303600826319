"""`make demo`: deploys, a rollback, a promote, a cancel and a crash, with real parts in a temporary folder.

Everything printed is read from the running system and checked. The first unexpected result ends the demo with exit
code 1.
"""

"""`make demo`: the life of a few deployments, told while it happens.

Real parts on free ports in a temporary folder. Everything that is printed was asked of the running system and is
checked; the first thing that is not as it should be ends the story with exit code 1.
"""

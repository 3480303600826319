"""`interlock up`, an installation on one machine: starts every part, keeps it running, stops everything.

`up` is the entry; `parts` says what runs, `supervisor` and `keeper` keep it running, `health` asks how it is.
"""

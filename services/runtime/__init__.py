"""`interlock up`: start all parts of an installation on one machine, keep them running, and stop them.

`up` is the entry. `parts` lists the parts, `supervisor` and `keeper` keep them running, `health` probes them.
"""

"""A seeded chaos run: operations, faults and probes on one installation, which are recorded and then checked.

`schedule` derives all actions and their times from the seed. `operator`, `saboteur`, `prober` and `sampler` carry them
out and record them. `checker` finds the promises that the recorded history breaks.
"""

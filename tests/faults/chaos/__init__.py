"""A seeded chaos run: operations, faults and probes on one installation, recorded, then checked.

`schedule` decides what happens and when, from the seed alone; `operator`, `saboteur`, `prober` and `sampler` do it and
record it; `checker` says afterwards which promises the recorded history breaks.
"""

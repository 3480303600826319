"""krane builds images, runs the instances of deployments and reports their state.

A gRPC server (`python -m services.krane`), its typed client (`client.py`) and the backends that run instances. Every
call is idempotent by deployment id. Instances keep running when krane ends, and the next krane takes them over.
"""

"""krane, the orchestrator: builds images, runs the instances of deployments and says truthfully how they are.

A gRPC server (`python -m services.krane`), its typed client (`client.py`) and the backends that run instances. Every
call is idempotent by deployment id; instances outlive krane, and the next krane takes them over.
"""

"""The public API: one implementation behind gRPC and JSON over HTTP, the bridge to the durable services, the outbox.

Everything from outside is checked here; what is accepted is in the database before it is answered, and reaches Restate
even when this process dies in between.
"""

"""The public API: one implementation behind gRPC and JSON over HTTP, a bridge to the durable services, and the outbox.

All input from outside is checked here. An accepted request is in the database before it is answered, and reaches
Restate even if this process dies before sending it.
"""

"""gRPC for all parts: one table of errors and statuses, one way to serve, one way to call, enums by name."""

"""gRPC as every part does it: one table of errors and statuses, one way to serve, one way to call, enums by name."""

"""interlock: a durable deployment control plane."""

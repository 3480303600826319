"""Carries traffic: turns the route table into Envoy's configuration and knows what Envoy has acknowledged.

Three layers: `snapshot` and `resources` are pure translation, `xds` speaks Envoy's delta protocol, and the agent
(`python -m services.gateway`, one beside each Envoy) joins them to the database. An agent that dies does not touch
traffic: Envoy serves on, and a new agent takes over where the old one stood.
"""

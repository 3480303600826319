"""The gateway: translates the route table into Envoy's configuration and tracks what Envoy has acknowledged.

Three layers: `snapshot` and `resources` are pure translation; `xds` implements Envoy's delta protocol; the agent
(`python -m services.gateway`, one per Envoy) connects them to the database. When an agent dies, traffic is not
affected: Envoy goes on serving, and the next agent continues from the saved snapshot.
"""

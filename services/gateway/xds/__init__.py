"""A server of Envoy's delta discovery protocol (ADS) for one Envoy.

`cache` holds the resources to serve, `subscription` what Envoy asked for and has, `stream` sends the difference in an
order that interrupts no traffic, and `service` is the gRPC service. Nothing here knows about routes or the database.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

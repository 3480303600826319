"""Envoy's delta discovery protocol (ADS), for one Envoy: what to serve, in which order, and what was acknowledged.

`cache` holds what should be served, `subscription` what one Envoy asked for and holds, `stream` brings the second to
the first without a gap in traffic, `service` is the gRPC surface. Nothing here knows about routes or the database.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

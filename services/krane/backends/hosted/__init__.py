"""Workloads that krane itself keeps running: it probes them, restarts them, and keeps their records and logs.

The process and the docker backend use this and add a way to run one command. Each adds a `Driver` (lists deployments
and resolves images), a `DeploymentStore` for each deployment (keeps what is wanted across restarts of krane), an
`InstanceRunner` for each instance (starts, finds and ends a run) and a `TaskDriver`.
"""

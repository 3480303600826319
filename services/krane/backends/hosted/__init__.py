"""Workloads that krane itself keeps alive: it probes them, starts them again, and keeps their records and logs.

The process and the docker backend are this plus a way to run one command. Each of them adds a `Driver` (which
deployments there are, and of which image), a `DeploymentStore` for each deployment (what is wanted, kept over krane's
restarts), an `InstanceRunner` for each instance (how one run begins, is found again, and ends) and a `TaskDriver`.
"""

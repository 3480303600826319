"""DeploymentService: the durable workflows Deploy, Rollback and Promote, one at a time per project."""

"""DeploymentService: Deploy, Rollback and Promote as durable workflows, one at a time per project."""

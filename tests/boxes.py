"""The steps of operations in order, as people see them; `tests/deployment/test_workflows.py` checks them."""

# Of an uploaded source; those of the routing stand behind its call.
DEPLOY = [
    "fetch metadata",
    "status building",
    "start build",
    "build",
    "status deploying",
    "create in krane",
    "poll until ready",
    "upsert instances",
    "scrape OpenAPI",
    "status network",
    "build domains",
    "assign domains",
    "await gateways",
    "status ready",
    "update live deployment",
    "select surplus",
]
# What a rollback or promote adds for a deployment that is stopped.
COLD_START = ["create in krane", "start in krane", "poll until ready", "status ready"]
RETIRE = ["status stopped", "stop in krane"]

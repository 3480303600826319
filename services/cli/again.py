"""`interlock redeploy`: deploy once more what a deployment was made from."""

import typer

from services.cli.arguments import parse_duration, parse_variables
from services.cli.deploying import (
    EnvOption,
    IdempotencyKeyOption,
    MessageOption,
    NoWaitOption,
    TimeoutOption,
    watch_to_end,
)
from services.cli.render import result_text
from services.cli.session import session_of
from services.cli.targets import SameProjectOption, TargetArgument, find_target
from services.ctrl.client import ControlClient
from services.gen.ctrl.v1 import control_pb2 as pb


def redeploy(
    context: typer.Context,
    what: TargetArgument = "",
    project: SameProjectOption = "",
    message: MessageOption = "",
    env: EnvOption = None,
    idempotency_key: IdempotencyKeyOption = "",
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "15m",
) -> None:
    """Deploy the same source or image again, with the environment's current variables and secrets."""
    patience, variables = parse_duration(timeout), parse_variables(env or [])
    session = session_of(context)

    async def again(client: ControlClient) -> pb.Deployment:
        earlier = await find_target(client, what, project)
        return await client.redeploy(
            pb.RedeployRequest(
                deployment_id=earlier, message=message, variables=variables, idempotency_key=idempotency_key
            )
        )

    deployment = session.run(again)
    if no_wait:
        session.show(deployment, result_text(deployment))
        return
    watch_to_end(session, deployment.id, patience)

"""Convert rows to messages of ctrl.v1. Empty and zero mean "not yet" or "none", as in the contract."""

from collections.abc import Sequence
from dataclasses import asdict

from google.protobuf import json_format

from services.ctrl.enums import DEPLOYMENT_STATUS, INSTANCE_STATUS, OPERATION, STICKY, TRANSITION_KIND
from services.db.audit import Transition
from services.db.deployment_settings import read_effective
from services.db.tables import (
    DeploymentStep,
    Environment,
    Gateway,
    Instance,
    Project,
    SealedCredential,
    SecretVersion,
    Variable,
)
from services.db.views import DeploymentView, DomainView
from services.domain.operations import Operation
from services.domain.readiness import InstanceStatus
from services.domain.settings import RunSettings
from services.domain.status import UNDONE, DeploymentStatus
from services.domain.stickiness import Sticky
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.types import InstanceReport


def project_message(project: Project, workspace: str, environments: Sequence[Environment]) -> pb.Project:
    """Convert a project and its environments."""
    return pb.Project(
        id=project.id,
        slug=project.slug,
        workspace=workspace,
        environments=[environment_message(environment) for environment in environments],
        live_deployment_id=project.live_deployment_id or "",
        is_rolled_back=project.is_rolled_back,
    )


def environment_message(environment: Environment) -> pb.Environment:
    """Convert an environment."""
    return pb.Environment(id=environment.id, slug=environment.slug, is_production=environment.is_production)


def deployment_message(view: DeploymentView) -> pb.Deployment:
    """Convert a deployment, without steps, instances, domains and log lines, which need more reads."""
    row = view.deployment
    return pb.Deployment(
        id=row.id,
        project_id=row.project_id,
        project=view.project.slug,
        environment=view.environment.slug,
        status=DEPLOYMENT_STATUS.encode(DeploymentStatus(row.status)),
        is_live=view.project.live_deployment_id == row.id,
        branch=row.branch,
        commit=row.commit_sha,
        is_dirty=row.is_dirty,
        message=row.message,
        source=row.source or "",
        asked_image=row.asked_image or "",
        image=row.image or "",
        failure=_failure_message(view),
        created_at_ms=row.created_at_ms,
        ended_at_ms=row.ended_at_ms or 0,
        invocation_id=row.invocation_id or "",
        generation=row.generation,
        openapi_digest=row.openapi_digest or "",
        created_by=row.created_by,
        git=pb.GitSource(url=row.git_url, ref=row.git_ref or "") if row.git_url else None,
        **asdict(read_effective(row)),
    )


def detailed_deployment_message(
    view: DeploymentView,
    steps: Sequence[DeploymentStep],
    instances: Sequence[Instance],
    domains: Sequence[pb.Domain],
    secrets: Sequence[SecretVersion],
) -> pb.Deployment:
    """Convert a deployment with all its details."""
    message = deployment_message(view)
    if view.deployment.failure_log:
        message.failure.log_lines.extend(view.deployment.failure_log.splitlines())
    if view.deployment.last_probe and message.HasField("failure"):
        json_format.ParseDict(view.deployment.last_probe, message.failure.last_probe)
    message.steps.extend(_step_message(step) for step in steps)
    message.instances.extend(
        pb.Instance(
            id=row.id,
            address=row.address,
            status=INSTANCE_STATUS.encode(InstanceStatus(row.status)),
            healthy=row.healthy,
        )
        for row in instances
    )
    message.domains.extend(domains)
    message.variables.update(view.deployment.variables)
    message.secrets.extend(secret_message(row) for row in secrets)
    return message


def reported_instance_message(report: InstanceReport) -> pb.Instance:
    """Convert an instance as krane reports it."""
    return pb.Instance(
        id=report.id,
        address=report.address,
        status=INSTANCE_STATUS.encode(report.status),
        healthy=report.healthy,
        reason=report.reason,
        restarts=report.restarts,
        last_end=report.last_end,
        last_end_ms=report.last_end_ms,
    )


def settings_message(settings: RunSettings) -> pb.RunSettings:
    """Convert the settings of a project."""
    return pb.RunSettings(**settings.set_fields(), no_release_command=settings.release_command == ())


def variable_message(row: Variable) -> pb.Variable:
    """Convert a variable of an environment."""
    return pb.Variable(name=row.name, value=row.value, updated_by=row.updated_by, updated_at_ms=row.updated_at_ms)


def secret_message(row: SecretVersion) -> pb.Secret:
    """Convert a secret, without its value."""
    return pb.Secret(name=row.name, version=row.version, updated_by=row.created_by, updated_at_ms=row.created_at_ms)


def registry_credential_message(row: SealedCredential) -> pb.RegistryCredential:
    """Convert a credential, without its password."""
    return pb.RegistryCredential(
        registry=row.host,
        username=row.username,
        version=row.version,
        updated_by=row.updated_by,
        updated_at_ms=row.updated_at_ms,
    )


def domain_message(view: DomainView, gateway_port: int) -> pb.Domain:
    """Convert a domain, with its URL."""
    port = "" if gateway_port == 80 else f":{gateway_port}"
    return pb.Domain(
        id=view.domain.id,
        hostname=view.domain.hostname,
        sticky=STICKY.encode(Sticky(view.domain.sticky)),
        deployment_id=view.domain.deployment_id,
        environment=view.environment.slug,
        url=f"http://{view.domain.hostname}{port}/",
    )


def transition_message(transition: Transition) -> pb.Transition:
    """Convert an event of the audit list."""
    return pb.Transition(
        at_ms=transition.at_ms,
        what=TRANSITION_KIND.encode(transition.what),
        deployment_id=transition.deployment_id,
        live_before=transition.live_before,
        live_after=transition.live_after,
        note=transition.note,
        is_undone=transition.is_undone,
    )


def gateway_message(gateway: Gateway) -> pb.GatewayStatus:
    """Convert the acknowledged revision of a gateway."""
    return pb.GatewayStatus(id=gateway.id, acknowledged_revision=gateway.acknowledged_revision)


def _failure_message(view: DeploymentView) -> pb.Failure | None:
    row = view.deployment
    if row.status not in UNDONE:
        return None
    return pb.Failure(step=row.failed_step or "", reason=row.failure or row.cancel_reason or "")


def _step_message(step: DeploymentStep) -> pb.Step:
    return pb.Step(
        name=step.name,
        started_at_ms=step.started_at_ms,
        ended_at_ms=step.ended_at_ms or 0,
        error=step.error or "",
        note=step.note,
        operation=OPERATION.encode(Operation(step.operation)),
    )

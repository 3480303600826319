"""Render messages of ctrl.v1 as text. Text from users and apps cannot move the cursor or change colours."""

import shlex
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.ctrl.enums import INSTANCE_STATUS, START, STICKY, TRANSITION_KIND, status_of
from services.domain.live import Start
from services.domain.settings import LISTS, SETTING_NAMES
from services.domain.status import DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb

_STATUS_STYLES = {
    DeploymentStatus.READY: "green",
    DeploymentStatus.FAILED: "red",
    DeploymentStatus.CANCELLED: "yellow",
    DeploymentStatus.SUPERSEDED: "dim",
    DeploymentStatus.STOPPED: "dim",
    DeploymentStatus.REMOVED: "dim",
}
_STARTS = {
    Start.WARM: "warm (it runs and is healthy)",
    Start.COLD: "cold (started again from its image)",
}


def printable(text: str) -> str:
    """Replace control characters other than line breaks and tabs."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def projects_table(projects: Iterable[pb.Project]) -> RenderableType:
    """Render one line per project."""
    table = _table("PROJECT", "ID", "LIVE", "")
    for project in projects:
        remark = "rolled back" if project.is_rolled_back else ""
        table.add_row(project.slug, project.id, project.live_deployment_id or "-", remark)
    return table


def deployments_table(deployments: Iterable[pb.Deployment], troubled: Container[str] = ()) -> RenderableType:
    """Render one line per deployment; `troubled` has the ids of those whose instances do not serve as they should."""
    table = _table("DEPLOYMENT", "ENVIRONMENT", "STATUS", "LIVE", "BRANCH", "COMMIT", "CREATED", "MESSAGE")
    for deployment in deployments:
        table.add_row(
            deployment.id,
            deployment.environment,
            status_text(status_of(deployment)) + (Text(", in trouble", "red") if deployment.id in troubled else ""),
            "live" if deployment.is_live else "",
            printable(deployment.branch),
            _commit(deployment),
            _moment(deployment.created_at_ms),
            _first_line(deployment.message),
        )
    return table


def domains_table(domains: Iterable[pb.Domain]) -> RenderableType:
    """Render one line per domain."""
    table = _table("URL", "FOLLOWS", "ENVIRONMENT", "DEPLOYMENT")
    for domain in domains:
        table.add_row(domain.url, STICKY.decode(domain.sticky), domain.environment, domain.deployment_id)
    return table


def settings_table(settings: pb.RunSettings) -> RenderableType:
    """Render one line per setting that is set."""
    table = _table("SETTING", "VALUE")
    for name in SETTING_NAMES:
        if value := _setting_text(settings, name):
            table.add_row(name, value)
    if settings.no_release_command:
        table.add_row("release_command", "none, even if the source sets one")
    return table


def variables_table(variables: Iterable[pb.Variable]) -> RenderableType:
    """Render one line per variable."""
    table = _table("NAME", "VALUE", "SET", "BY")
    for variable in variables:
        when, who = _moment(variable.updated_at_ms), printable(variable.updated_by)
        table.add_row(variable.name, _first_line(variable.value), when, who)
    return table


def volumes_table(volumes: Iterable[pb.Volume]) -> RenderableType:
    """Render one line per volume."""
    table = _table("ENVIRONMENT", "NAME", "USED BY")
    for volume in volumes:
        table.add_row(volume.environment, volume.name, ", ".join(volume.used_by))
    return table


def secrets_table(secrets: Iterable[pb.Secret]) -> RenderableType:
    """Render one line per secret."""
    table = _table("NAME", "VERSION", "SET", "BY")
    for secret in secrets:
        when, who = _moment(secret.updated_at_ms), printable(secret.updated_by)
        table.add_row(secret.name, str(secret.version), when, who)
    return table


def registry_credentials_table(credentials: Iterable[pb.RegistryCredential]) -> RenderableType:
    """Render one line per host."""
    table = _table("HOST", "USERNAME", "VERSION", "SET", "BY")
    for credential in credentials:
        when, who = _moment(credential.updated_at_ms), printable(credential.updated_by)
        table.add_row(credential.registry, printable(credential.username), str(credential.version), when, who)
    return table


def transitions_table(transitions: Iterable[pb.Transition]) -> RenderableType:
    """Render one line per change."""
    table = _table("WHEN", "WHAT", "DEPLOYMENT", "LIVE", "WHO AND WHY")
    for entry in transitions:
        moved, what = entry.live_before != entry.live_after, TRANSITION_KIND.decode(entry.what)
        table.add_row(
            _moment(entry.at_ms),
            f"{what}, undone" if entry.is_undone else what,
            entry.deployment_id,
            f"from {entry.live_before or 'nothing'}" if moved else "",
            _first_line(entry.note),
        )
    return table


def deployment_text(deployment: pb.Deployment) -> RenderableType:
    """Render all details of a deployment."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(deployment):
        if value:
            facts.add_row(Text(name, style="dim"), value)
    parts: list[RenderableType] = [facts]
    if deployment.steps:
        parts += [Text(), steps_text(deployment.steps)]
    if deployment.instances:
        parts += [Text(), _instances_table(deployment.instances)]
    if deployment.domains:
        parts += [Text(), domains_table(deployment.domains)]
    if deployment.failure.log_lines:
        parts += [Text(), Text(printable("\n".join(deployment.failure.log_lines)))]
    return Group(*parts)


def steps_text(steps: Iterable[pb.Step]) -> RenderableType:
    """Render one line per step, with its duration."""
    return Group(*(step_line(step) for step in steps))


def obstacles(deployment: pb.Deployment) -> list[str]:
    """Return why each instance of a deployment that is under way is not healthy yet."""
    if status_of(deployment) is not DeploymentStatus.DEPLOYING:
        return []
    return [printable(f"{one.id}: {one.reason}") for one in deployment.instances if not one.healthy and one.reason]


def step_line(step: pb.Step) -> Text:
    """Render one step."""
    if step.error:
        return Text.assemble(("x ", "red"), f"{step.name}  ", (_first_line(step.error), "red"))
    if not step.ended_at_ms:
        return Text.assemble(("> ", "cyan"), step.name)
    seconds = (step.ended_at_ms - step.started_at_ms) / 1000
    line = Text.assemble(("+ ", "green"), f"{step.name}  ", (f"{seconds:.2f} s", "dim"))
    return line.append(f"  {_first_line(step.note)}", "yellow") if step.note else line


def result_text(deployment: pb.Deployment) -> RenderableType:
    """Render how a deployment ended: its URLs, or the reason of the failure."""
    lines = [Text.assemble(deployment.id, " is ", status_text(status_of(deployment)))]
    if deployment.is_live:
        lines[0].append(" and live")
    if deployment.ended_at_ms:
        lines[0].append(f", after {_duration(deployment.ended_at_ms - deployment.created_at_ms)}")
    if deployment.failure.reason:
        step = f" in step {deployment.failure.step!r}" if deployment.failure.step else ""
        lines.append(Text(printable(f"because{step}: {deployment.failure.reason}")))
    if deployment.failure.HasField("last_probe"):
        lines.append(Text(f"last probe of {_probe_line(deployment.failure.last_probe)}"))
    lines += [Text(printable(line), style="dim") for line in deployment.failure.log_lines]
    lines += [Text(printable(f"warning: {warning}"), style="yellow") for warning in deployment.warnings]
    lines += [Text(domain.url) for domain in deployment.domains]
    return Group(*lines)


def project_status_text(status: pb.GetProjectStatusResponse) -> RenderableType:
    """Render a project, what is wrong with live, and how many routing changes each gateway has applied."""
    project = status.project
    head = Text.assemble((project.slug, "bold"), f"  live: {project.live_deployment_id or 'nothing'}")
    if project.is_rolled_back:
        head.append("  rolled back: new deployments do not become live until `interlock promote`", "yellow")
    parts: list[RenderableType] = [head]
    if status.previous_live_deployment_id:
        parts.append(Text(f"rollback target: {status.previous_live_deployment_id}"))
    parts += [trouble_text(trouble) for trouble in status.troubles]
    troubled = {trouble.deployment_id for trouble in status.troubles}
    parts += [
        Text(
            f"gateway {gateway.id}: {gateway.acknowledged_revision} of {status.routing_revision} route changes applied"
        )
        for gateway in status.gateways
    ]
    for environment in status.environments:
        parts += [Text(), Text(environment.environment.slug, style="bold")]
        if environment.HasField("latest"):
            parts.append(deployments_table([environment.latest], troubled))
        if environment.domains:
            parts.append(domains_table(environment.domains))
    return Group(*parts)


def moved_text(response: pb.RollbackResponse | pb.PromoteResponse) -> RenderableType:
    """Render what a rollback or promote did, or would do."""
    moved = "live would move" if response.dry_run else "live moved"
    way = f"from {response.source_deployment_id} to {response.target_deployment_id}"
    lines = [Text(f"{moved} {way}, {_STARTS[START.decode(response.start)]}")]
    lines += [Text(f"cancelled: {name}", style="yellow") for name in response.preempted_deployment_ids]
    lines += [Text(hostname) for hostname in response.domains]
    return Group(*lines)


def log_text(lines: Iterable[pb.LogLine]) -> RenderableType:
    """Render log lines, each with the instance that wrote it."""
    return Group(*(Text(f"{line.instance_id or 'build'} | {printable(line.text)}") for line in lines))


def followed_line(line: pb.FollowLogsResponse) -> str:
    """Render a log line with its instance, and a remark above it if lines are missing there."""
    name = line.instance_id or "build"
    gap = f"{name} | (lines were lost here: they came faster than they were read)\n" if line.is_after_gap else ""
    return f"{gap}{name} | {printable(line.text)}"


def attention_text(items: Sequence[pb.Attention]) -> RenderableType:
    """Render what needs a person: since when, why, and the next command."""
    if not items:
        return Text("nothing needs attention")
    lines: list[Text] = []
    for item in items:
        lines.append(Text.assemble((printable(item.what), "bold"), (f"  since {_moment(item.since_ms)}", "dim")))
        lines.append(Text(f"  why:  {_first_line(item.why)}"))
        lines += _log_lines(item)
        lines.append(Text.assemble("  next: ", (printable(item.next), "cyan")))
    return Group(*lines)


def trouble_text(trouble: pb.Attention) -> Text:
    """Render what is wrong with a live deployment."""
    head = Text.assemble((printable(trouble.what), "red"), f": {_first_line(trouble.why)}")
    return Text("\n").join([head, *_log_lines(trouble)])


def _log_lines(item: pb.Attention) -> list[Text]:
    return [Text(f"  log:  {_first_line(line)}", style="dim") for line in item.log_lines]


def status_text(status: DeploymentStatus) -> Text:
    """Render a status in its colour."""
    return Text(status, style=_STATUS_STYLES.get(status, "cyan"))


def _facts(deployment: pb.Deployment) -> Iterable[tuple[str, str | Text]]:
    yield "deployment", deployment.id
    yield "status", status_text(status_of(deployment)) + (" (live)" if deployment.is_live else "")
    yield "project", f"{deployment.project} / {deployment.environment}"
    yield "branch", printable(f"{deployment.branch} {_commit(deployment)}".strip())
    yield "message", _first_line(deployment.message)
    yield "git", printable(f"{deployment.git.url} {deployment.git.ref}".strip())
    yield "source", deployment.source
    if deployment.asked_image != deployment.image:
        yield "requested image", printable(deployment.asked_image)
    yield "image", deployment.image
    yield from ((name.replace("_", " "), _setting_text(deployment, name)) for name in SETTING_NAMES)
    yield "created", _moment(deployment.created_at_ms)
    yield "created by", printable(deployment.created_by)
    yield "ended", _moment(deployment.ended_at_ms)
    yield "failed step", deployment.failure.step
    yield "reason", printable(deployment.failure.reason)
    if deployment.failure.HasField("last_probe"):
        yield "last probe", _probe_line(deployment.failure.last_probe)
    yield "invocation", deployment.invocation_id
    yield "openapi", deployment.openapi_digest
    yield "variables", "\n".join(f"{name}={_first_line(value)}" for name, value in sorted(deployment.variables.items()))
    yield "secrets", ", ".join(f"{secret.name} (version {secret.version})" for secret in deployment.secrets)


def _commit(deployment: pb.Deployment) -> str:
    return f"{deployment.commit[:7]}{'-dirty' if deployment.is_dirty else ''}"


def _setting_text(message: pb.RunSettings | pb.Deployment, name: str) -> str:
    """Return a setting as text; empty if it is not set."""
    value = getattr(message, name)
    return printable(shlex.join(value) if name in LISTS else str(value or ""))


def _probe_line(probe: pb.Probe) -> str:
    found = f"{probe.instance_id}: {probe.problem or 'passed'} ({probe.latency_ms} ms)"
    return printable(f"{found}: {probe.body}" if probe.body else found)


def _instances_table(instances: Iterable[pb.Instance]) -> RenderableType:
    table = _table("INSTANCE", "ADDRESS", "STATUS", "HEALTHY", "RESTARTS", "REASON")
    for instance in instances:
        healthy = "yes" if instance.healthy else "no"
        reason = printable(instance.reason or _last_end(instance))
        table.add_row(
            instance.id,
            instance.address,
            INSTANCE_STATUS.decode(instance.status),
            healthy,
            str(instance.restarts),
            reason,
        )
    return table


def _last_end(instance: pb.Instance) -> str:
    return f"restarted {_moment(instance.last_end_ms)}: {instance.last_end}" if instance.last_end else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="fold")
    return table


def _first_line(text: str) -> str:
    return printable(text.partition("\n")[0])


def _duration(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds / 1000, 60)
    return f"{minutes:.0f} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"


def _moment(milliseconds: int) -> str:
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")

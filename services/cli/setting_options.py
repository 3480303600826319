"""The options of `interlock deploy` that set how one deployment is run."""

from typing import Annotated

import typer
from typer.models import OptionInfo

from services.domain.settings import SETTINGS


def setting_option(name: str, *, metavar: str | None = None) -> OptionInfo:
    """Build the option that sets `name` for one deployment."""
    setting = next(one for one in SETTINGS if one.name == name)
    option: OptionInfo = typer.Option(
        metavar=metavar or ("N" if setting.highest else None),
        min=setting.lowest or None,
        max=setting.highest or None,
        help=f"{setting.text}. Default: the project's setting, else the source's, else {setting.default}.",
        show_default=False,
    )
    return option


ReplicasOption = Annotated[int | None, setting_option("replicas")]
CpuOption = Annotated[int | None, setting_option("cpu_millicores")]
MemoryOption = Annotated[int | None, setting_option("memory_mib")]
HealthPathOption = Annotated[str, setting_option("health_path")]
PortOption = Annotated[int | None, setting_option("port")]
StopSecondsOption = Annotated[int | None, setting_option("stop_seconds")]
ReadySecondsOption = Annotated[int | None, setting_option("ready_seconds")]
ReleaseCommandOption = Annotated[str, setting_option("release_command", metavar="COMMAND")]
CommandOption = Annotated[str, setting_option("command")]
ProtocolOption = Annotated[str, setting_option("protocol")]
VolumeOption = Annotated[list[str] | None, setting_option("volumes", metavar="NAME=/PATH")]
OpenapiBreakingOption = Annotated[str, setting_option("openapi_breaking")]
NoReleaseCommandOption = Annotated[
    bool,
    typer.Option(
        "--no-release-command",
        help="Run no release command, even if the project or the source sets one.",
        show_default=False,
    ),
]

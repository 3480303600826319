"""The commands of `interlock`: parse, call ctrl, print."""

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.again import redeploy
from services.cli.arguments import hoist
from services.cli.configuration import config_app, env_app, secrets_app
from services.cli.credentials import credentials_app
from services.cli.deploying import deploy, watch
from services.cli.doctoring import doctor
from services.cli.exit_codes import MEANINGS, ExitCode, of_error
from services.cli.looking import attention, audit, domains_app, list_deployments, logs, show, status
from services.cli.moving import cancel, promote, rollback
from services.cli.openapi import openapi_app
from services.cli.opening import open_url, version
from services.cli.planning import plan
from services.cli.projects import project_app
from services.cli.render import printable
from services.cli.running import run as run_command
from services.cli.session import Output, Session, session_of
from services.cli.volumes import volumes_app
from services.ctrl import defaults
from services.domain.errors import InterlockError

GLOBAL_OPTIONS = frozenset({"-w", "--workspace", "-o", "--output", "--data-dir", "--ready-file", "--address"})

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Deploy, roll back and promote. The options below are accepted before and after the command.",
    epilog="\n".join(["Exit codes:", *(f"{code:>3}  {meaning}" for code, meaning in MEANINGS.items())]),
)


@app.callback()
def global_options(
    context: typer.Context,
    workspace: Annotated[str, typer.Option("-w", "--workspace", help="Slug of the workspace.")] = defaults.WORKSPACE,
    output: Annotated[Output, typer.Option("-o", "--output", help="Format of the output.")] = Output.TEXT,
    data_dir: Annotated[
        Path, typer.Option(envvar="INTERLOCK_DATA_DIR", help="Data directory of `interlock up`.")
    ] = Path("data"),
    ready_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INTERLOCK_READY_FILE",
            help="File with the address of the control plane. Default: ready.json in the data directory.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(envvar="INTERLOCK_ADDRESS", help="host:port of the control plane; replaces the ready file."),
    ] = None,
) -> None:
    """Store the global options for the command."""
    context.obj = Session(workspace=workspace, output=output, data_dir=data_dir, ready_file=ready_file, address=address)


@app.command()
def up(
    context: typer.Context,
    ports: Annotated[
        str, typer.Option(help="'default': fixed ports; 'auto': free ports, the same again at the next start.")
    ] = "default",
) -> None:
    """Start the control plane, krane and the gateway on this machine and keep them running."""
    from services.runtime.up import run

    if ports not in ("auto", "default"):
        raise typer.BadParameter("use auto or default", param_hint="--ports")
    session = session_of(context)
    raise typer.Exit(run(session.data_dir, ports == "auto", session.ready_file))


app.add_typer(project_app, name="project")
for command in (plan, deploy, redeploy, watch, rollback, promote, cancel, status):
    app.command()(command)
app.command("ls")(list_deployments)
app.command("open")(open_url)
for command in (show, logs, audit, attention, doctor, version):
    app.command()(command)
app.command("run", context_settings={"allow_interspersed_args": False})(run_command)
app.add_typer(domains_app, name="domains")
app.add_typer(openapi_app, name="openapi")
app.add_typer(config_app, name="config")
app.add_typer(env_app, name="env")
app.add_typer(secrets_app, name="secrets")
app.add_typer(volumes_app, name="volumes")
app.add_typer(credentials_app, name="credentials")
# The old name, from when only registries had credentials.
app.add_typer(credentials_app, name="registry", hidden=True)


def main() -> int:
    """Run the command line; print an error as one line on stderr and return its exit code."""
    # All loaded modules are needed to the end: without this the garbage collector scans them at exit.
    gc.freeze()
    try:
        app(hoist(sys.argv[1:], GLOBAL_OPTIONS), prog_name="interlock")
    except InterlockError as error:
        typer.secho(f"error: {printable(error.message)}", err=True, fg="red")
        return of_error(error)
    except OSError as error:
        typer.secho(f"error: {printable(str(error))}", err=True, fg="red")
        return ExitCode.ERROR
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())

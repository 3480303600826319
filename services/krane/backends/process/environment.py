"""The environments that commands get. Built from nothing: what krane itself was given never leaks into them."""

import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# What a package installer needs to reach its registry: the only variables that are handed on, and to builds alone.
INSTALLER_VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "PIP_CERT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "UV_DEFAULT_INDEX",
    "UV_FIND_LINKS",
    "UV_INDEX",
)


def instance_environment(
    *, deployment_id: str, instance_id: str, folder: Path, venv: Path, given: Mapping[str, str]
) -> dict[str, str]:
    """What an instance sees; the shim adds PORT. Its home and temporary folder lie in its own folder.

    What it was given wins over what is only usual here, such as PATH, and cannot hold the names that krane answers for.
    """
    return {
        **_basics(folder, f"{venv / 'bin'}:{SYSTEM_PATH}"),
        # The image holds compiled code already and is read-only.
        "PYTHONDONTWRITEBYTECODE": "1",
        # What an instance prints is in its log at once, and not lost when it is killed.
        "PYTHONUNBUFFERED": "1",
        "VIRTUAL_ENV": str(venv),
        **given,
        "HOST": "127.0.0.1",
        "INTERLOCK_DEPLOYMENT_ID": deployment_id,
        "INTERLOCK_INSTANCE_ID": instance_id,
    }


def build_environment(*, folder: Path, cache: Path, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a build and the installers it runs see. `own` is krane's environment."""
    return {
        **_basics(folder, SYSTEM_PATH),
        **{name: own[name] for name in INSTALLER_VARIABLES if name in own},
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUNBUFFERED": "1",
        # Links into the cache would let one image change under another.
        "UV_LINK_MODE": "copy",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CACHE_HOME": str(cache),
    }


def _basics(folder: Path, path: str) -> dict[str, str]:
    home, temporary = folder / "home", folder / "tmp"
    for private in (home, temporary):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {"HOME": str(home), "LANG": "C.UTF-8", "PATH": path, "TMPDIR": str(temporary)}

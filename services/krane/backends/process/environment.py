"""The environments of commands. They are built from nothing: no variable of krane leaks into them."""

import os
from collections.abc import Mapping
from pathlib import Path

from services.krane.backends.process.artifacts import Artifact

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# What package installers need to reach their registries. Only builds get these variables of krane.
INSTALLER_VARIABLES = (
    "COREPACK_NPM_REGISTRY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "NPM_CONFIG_REGISTRY",
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
    "UV_PYTHON_INSTALL_MIRROR",
)


def instance_environment(
    *, deployment_id: str, instance_id: str, folder: Path, image: Artifact, given: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of an instance; the shim adds PORT. HOME and TMPDIR are in the instance's own folder.

    Given variables override defaults such as PATH, but not the variables that krane defines.
    """
    return {
        **_basics(folder, ":".join((*map(str, image.program_folders), SYSTEM_PATH))),
        **({"NODE_ENV": "production"} if (image.app / "package.json").exists() else {}),
        # The image already holds compiled code and is read-only.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Output reaches the log at once, and is not lost when the instance is killed.
        "PYTHONUNBUFFERED": "1",
        "VIRTUAL_ENV": str(image.venv),
        **given,
        "HOST": "127.0.0.1",
        "INTERLOCK_DEPLOYMENT_ID": deployment_id,
        "INTERLOCK_INSTANCE_ID": instance_id,
    }


def build_environment(*, folder: Path, cache: Path, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a build and its installers. `own` is krane's environment."""
    return {
        **_basics(folder, SYSTEM_PATH),
        **{name: own[name] for name in INSTALLER_VARIABLES if name in own},
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUNBUFFERED": "1",
        # With links into the cache, one image could change another.
        "UV_LINK_MODE": "copy",
        # The operator may let uv download other versions of Python.
        "UV_PYTHON_DOWNLOADS": own.get("UV_PYTHON_DOWNLOADS", "never"),
        "UV_PYTHON_INSTALL_DIR": own.get("UV_PYTHON_INSTALL_DIR", f"{own.get('HOME', '')}/.local/share/uv/python"),
        "XDG_CACHE_HOME": str(cache),
        "COREPACK_HOME": str(cache / "corepack"),
        "npm_config_cache": str(cache / "npm"),
        "npm_config_update_notifier": "false",
    }


def _basics(folder: Path, path: str) -> dict[str, str]:
    home, temporary = folder / "home", folder / "tmp"
    for private in (home, temporary):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {"HOME": str(home), "LANG": "C.UTF-8", "PATH": path, "TMPDIR": str(temporary)}

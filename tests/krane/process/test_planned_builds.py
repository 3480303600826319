"""Sources as people have them, built and run as they are: locks are obeyed, and what cannot be had is refused."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.domain.errors import PreconditionFailed
from services.krane.backends.process.toolchain import UV
from services.krane.types import BuildState, BuildStatus
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, ask, build, healthy, pack, spec

# Answers with the versions of Python and of "greet", and with its arguments and variables.
APP = """
import http.server, importlib.metadata, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        greet = [d.version for d in importlib.metadata.distributions() if d.name == "greet"]
        known = {"python": sys.version.split()[0], "greet": greet, "arguments": sys.argv[1:]}
        known["mode"] = os.environ.get("X_MODE")
        content = json.dumps(known).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
WEB = {"Procfile": "web: python app.py\n", "app.py": APP}
WHEELS = "[tool.uv]\nno-index = true\nfind-links = ['wheels']\n"
OWN_PYTHON = ".".join(map(str, sys.version_info[:3]))


def wheel(version: str) -> bytes:
    """A package without code."""
    folder = f"greet-{version}.dist-info"
    files = {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: greet\nVersion: {version}\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/RECORD": "",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def wheels() -> dict[str, str | bytes]:
    return {f"wheels/greet-{version}-py3-none-any.whl": wheel(version) for version in ("1.0", "2.0")}


def uv_lock(folder: Path, pyproject: str) -> str:
    """A lock of the older version, which the project does not insist on."""
    for name, content in wheels().items():
        (folder / name).parent.mkdir(exist_ok=True)
        assert isinstance(content, bytes)
        (folder / name).write_bytes(content)
    for requirement in ("greet==1.0", "greet>=1"):
        (folder / "pyproject.toml").write_text(pyproject.replace("greet>=1", requirement))
        subprocess.run([UV, "lock", "--quiet", "--offline"], cwd=folder, check=True)
    return (folder / "uv.lock").read_text()


async def answer(krane: Krane, name: str, source: dict[str, str | bytes]) -> dict[str, object]:
    """What the app of a source says once it is built and runs."""
    built = await succeeded(krane, name, source)
    await krane.client.create(spec(name, built.image, memory_mib=512))
    try:
        said: dict[str, object] = (await ask(await healthy(krane.client, name), "/")).json()
    finally:
        await krane.client.delete(NAMESPACE, name)
    return said


async def succeeded(krane: Krane, name: str, source: dict[str, str | bytes]) -> BuildState:
    built = await build(krane.client, name, pack(source))
    assert built.status is BuildStatus.SUCCEEDED, "\n".join(built.log_lines)
    return built


PROJECT = '[project]\nname = "demo"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = ["greet>=1"]\n'
POETRY = '[tool.poetry]\nname = "demo"\npackage-mode = false\n[tool.poetry.dependencies]\npython = "^3.11"\n'
TWO_FOLDERS = {"api/__init__.py": "", "models/__init__.py": ""}
POETRY_LOCK = (
    '[[package]]\nname = "greet"\nversion = "1.0"\ngroups = ["main"]\nfiles = []\n'
    '[package.source]\ntype = "file"\nurl = "wheels/greet-1.0-py3-none-any.whl"\n'
)
PIPFILE_LOCK = json.dumps({"default": {"greet": {"file": "wheels/greet-1.0-py3-none-any.whl"}}, "develop": {}})


async def test_a_uv_lock_is_obeyed(krane: Krane, tmp_path: Path) -> None:
    pyproject = PROJECT + WHEELS
    lock = uv_lock(tmp_path, pyproject)

    said = await answer(krane, "uv-lock", {**WEB, **wheels(), "pyproject.toml": pyproject, "uv.lock": lock})

    assert said["greet"] == ["1.0"]


@pytest.mark.parametrize(
    ("name", "files", "installed"),
    [
        ("no-package", {"pyproject.toml": PROJECT + WHEELS + "package = false\n", **TWO_FOLDERS}, ["2.0"]),
        ("two-folders", {"pyproject.toml": PROJECT + WHEELS, **TWO_FOLDERS}, ["2.0"]),
        ("tool-only", {"pyproject.toml": "[tool.ruff]\nline-length = 100\n", **TWO_FOLDERS}, []),
        ("poetry", {"pyproject.toml": POETRY + 'greet = "^1.0"\n' + WHEELS}, ["1.0"]),
        ("poetry-lock", {"pyproject.toml": POETRY + 'greet = "*"\n', "poetry.lock": POETRY_LOCK}, ["1.0"]),
        ("pipfile", {"Pipfile": '[packages]\ngreet = {path = "wheels/greet-2.0-py3-none-any.whl"}\n'}, ["2.0"]),
        ("pipfile-lock", {"Pipfile": '[packages]\ngreet = "*"\n', "Pipfile.lock": PIPFILE_LOCK}, ["1.0"]),
        ("requirements", {"requirements.txt": "--no-index\n--find-links wheels\ngreet<2\n"}, ["1.0"]),
    ],
)
async def test_what_an_app_requires_is_installed(
    krane: Krane, name: str, files: dict[str, str], installed: list[str]
) -> None:
    said = await answer(krane, f"install-{name}", {**WEB, **wheels(), **files})

    assert said["greet"] == installed


async def test_a_package_is_installed_with_its_scripts_by_tools_that_need_times_a_zip_can_hold(krane: Krane) -> None:
    backend = (
        "import zipfile, os\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    name = 'demo-1.0-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(os.path.join(folder, name), 'w') as made:\n"
        "        made.write('serve.py')\n"
        "        made.writestr('demo-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n')\n"
        "        made.writestr('demo-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "        made.writestr('demo-1.0.dist-info/entry_points.txt', '[console_scripts]\\ndemo = serve:main\\n')\n"
        "        made.writestr('demo-1.0.dist-info/RECORD', '')\n"
        "    return name\n"
    )
    source = {
        "backend.py": backend,
        "serve.py": "def main():\n" + "".join(f"    {line}\n" for line in APP.splitlines()),
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "demo"\nversion = "1.0"\n[project.scripts]\ndemo = "serve:main"\n',
    }

    assert (await answer(krane, "with-scripts", {**source}))["arguments"] == []


@pytest.mark.parametrize(
    ("name", "files", "python"),
    [
        ("exact", {".python-version": OWN_PYTHON}, OWN_PYTHON),
        ("prefix", {"runtime.txt": f"python-{OWN_PYTHON.rpartition('.')[0]}\n"}, OWN_PYTHON),
    ],
)
async def test_the_version_of_python_that_is_asked_for_is_used(
    krane: Krane, name: str, files: dict[str, str], python: str
) -> None:
    assert (await answer(krane, f"python-{name}", {**WEB, **files}))["python"] == python


async def test_a_python_that_is_not_there_is_refused_and_never_another_one_used(krane: Krane) -> None:
    built = await build(krane.client, "no-such-python", pack({**WEB, ".python-version": "3.11.99"}))

    assert built.status is BuildStatus.FAILED
    assert built.error.startswith(".python-version asks for Python 3.11.99, which is not on this machine")
    assert "UV_PYTHON_DOWNLOADS=automatic" in built.error


async def test_release_is_read_of_a_procfile_and_other_lines_are_named(krane: Krane) -> None:
    procfile = "release: python migrate.py\nweb: python app.py\nworker: python worker.py\n"

    built = await succeeded(krane, "procfile", {"app.py": APP, "Procfile": procfile})

    assert built.settings.run.release_command == ("python", "migrate.py")
    assert "  not run   worker: python worker.py  (Procfile)" in built.log_lines


@pytest.mark.parametrize(
    ("name", "procfile", "arguments", "mode"),
    [
        ("default", "web: python app.py ${UNSET:-5000}", ["5000"], None),
        ("semicolon", "web: python prep.py --noinput; python app.py", [], None),
        ("and", "web: cd src && python ../app.py", [], None),
        ("assignment", "web: X_MODE=prod python app.py", [], "prod"),
        ("variable", "web: python app.py $HOME_IS_NOT_SET x", ["x"], None),
        ("port", "web: python app.py --port $PORTABLE,x", ["--port", ",x"], None),
        ("indent", "release: python prep.py\n  web: python app.py", [], None),
        ("space", "web : python app.py", [], None),
        ("bom", "\ufeffweb: python app.py\r\n", [], None),
    ],
)
async def test_a_procfile_runs_as_elsewhere(
    krane: Krane, name: str, procfile: str, arguments: list[str], mode: str | None
) -> None:
    source = {"app.py": APP, "prep.py": "", "src/x.txt": "", "Procfile": procfile}

    said = await answer(krane, f"shell-{name}", {**source})

    assert (said["arguments"], said["mode"]) == (arguments, mode)


async def test_the_log_of_a_build_begins_with_its_plan(krane: Krane) -> None:
    built = await succeeded(krane, "logged-plan", {**WEB, "VERSION": "a source of its own"})

    assert built.log_lines[:3] == (
        "unpacking the source",
        "  language  python  (app.py)",
        "  start     python app.py  (Procfile)",
    )


async def test_the_log_of_a_build_names_what_git_did_not_fetch(krane: Krane) -> None:
    modules = '[submodule "theme"]\n\tpath = themes/plain\n\turl = https://git.test/plain\n'
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    lfs = {".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n", "img/logo.png": pointer}

    built = await succeeded(krane, "not-fetched", {**WEB, ".gitmodules": modules, **lfs})

    warnings = [line for line in built.log_lines if line.startswith("  warning ")]
    assert any(line.endswith("their folders are empty: themes/plain") for line in warnings)
    assert any(line.endswith("only their pointers, such as img/logo.png") for line in warnings)


async def test_the_same_lock_again_installs_nothing(krane: Krane) -> None:
    project = PROJECT.replace("demo", "layered")
    source = {**WEB, **wheels(), "pyproject.toml": project + WHEELS}
    kept = "used what an earlier build installed: the requirements have not changed"

    first = await succeeded(krane, "layer-1", {**source, "VERSION": "layer 1"})
    second = await succeeded(krane, "layer-2", {**source, "VERSION": "layer 2"})
    other = await succeeded(krane, "layer-3", {**source, "pyproject.toml": project.replace(">=1", "<2") + WHEELS})

    assert [kept in built.log_lines for built in (first, second, other)] == [False, True, False]
    assert (await answer(krane, "layer-4", {**source, "VERSION": "layer 4"}))["greet"] == ["2.0"]


async def test_a_build_command_runs_with_the_variables_of_the_source(krane: Krane) -> None:
    toml = '[build]\ncommand = "python make.py"\n[start]\ncommand = "python made.py"\n[env]\nMADE_BY = "a build"\n'
    make = "import os\nopen('made.py', 'w').write(open('app.py').read() + '# ' + os.environ['MADE_BY'])\n"

    built = await succeeded(krane, "build-command", {"app.py": APP, "make.py": make, "interlock.toml": toml})

    image = krane.data_dir / "krane" / "artifacts" / built.image.rpartition(":")[2]
    assert (image / "app" / "made.py").read_text().endswith("# a build")


async def test_a_build_command_that_fails_fails_the_build(krane: Krane) -> None:
    toml = '[build]\ncommand = ["python", "-c", "raise SystemExit(3)"]\n'

    built = await build(krane.client, "build-fails", pack({**WEB, "interlock.toml": toml}))

    assert built.error == "interlock.toml could not be built (exit code 3): the build log says why"


async def test_a_folder_of_files_is_served(krane: Krane) -> None:
    source = {"public/index.html": "front", "public/docs/index.html": "docs", "public/404.html": "gone", "secret": "x"}
    built = await succeeded(krane, "served-folder", {**source})
    await krane.client.create(spec("static-1", built.image))
    instance = await healthy(krane.client, "static-1")

    pages = {path: await ask(instance, path) for path in ("/", "/docs/", "/none", "/..%2fsecret", "/../secret")}

    assert {path: (page.status_code, page.text) for path, page in pages.items()} == {
        "/": (200, "front"),
        "/docs/": (200, "docs"),
        "/none": (404, "gone"),
        "/..%2fsecret": (404, "gone"),
        "/../secret": (404, "gone"),
    }
    await krane.client.delete(NAMESPACE, "static-1")


NODE_APP = (
    "const greet = require('greet');\n"
    "require('http').createServer((q, s) => s.end(JSON.stringify({greet, mode: process.env.NODE_ENV})))"
    ".listen(process.env.PORT, '127.0.0.1');\n"
)
GREET = {"greet/package.json": '{"name": "greet", "version": "1.0.0"}', "greet/index.js": "module.exports = 'hello';\n"}


async def test_a_node_app_is_installed_and_started(krane: Krane) -> None:
    package = {"dependencies": {"greet": "file:./greet"}, "scripts": {"start": "node index.js"}}

    said = await answer(krane, "node", {"package.json": json.dumps(package), "index.js": NODE_APP, **GREET})

    assert said == {"greet": "hello", "mode": "production"}


async def test_the_files_that_a_node_build_makes_are_served(krane: Krane) -> None:
    script = "const fs = require('fs'); fs.mkdirSync('dist'); fs.writeFileSync('dist/index.html', 'made');"
    package = {"scripts": {"build": "node make.js # vite build"}}
    source = {"package.json": json.dumps(package), "make.js": script}
    built = await succeeded(krane, "node-static", {**source})
    await krane.client.create(spec("node-static-1", built.image))
    instance = await healthy(krane.client, "node-static-1")

    assert [(await ask(instance, path)).text for path in ("/", "/a/page")] == ["made", "made"]
    assert (await ask(instance, "/missing.js")).status_code == 404
    await krane.client.delete(NAMESPACE, "node-static-1")


async def test_a_node_that_is_too_old_is_refused_and_a_newer_one_is_told(krane: Krane) -> None:
    def package(engine: str) -> dict[str, str]:
        content = {"engines": {"node": engine}, "scripts": {"start": "node index.js"}}
        return {"package.json": json.dumps(content), "index.js": ""}

    refused = await build(krane.client, "node-new", pack(package(">=999")))
    told = await build(krane.client, "node-old", pack(package("4.0.0")))

    assert refused.error.startswith("package.json asks for Node >=999, and this machine has v")
    assert told.status is BuildStatus.SUCCEEDED
    assert any(line.startswith("package.json asks for Node 4.0.0, but this machine has v") for line in told.log_lines)


async def test_a_dockerfile_alone_says_how_to_switch(krane: Krane) -> None:
    built = await succeeded(krane, "dockerfile", {"Dockerfile": "FROM scratch", "main.go": ""})

    with pytest.raises(PreconditionFailed, match="INTERLOCK_KRANE__BACKEND=docker"):
        await krane.client.create(spec("dockerfile-1", built.image))

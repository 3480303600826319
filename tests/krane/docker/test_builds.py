"""What only builds of the docker backend promise: Dockerfiles, labels, and failures that the engine reports."""

import hashlib
import json
import tarfile
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.types import BuildStatus
from tests.krane.docker.support import call, container
from tests.krane.installation import DockerKind, Krane
from tests.krane.support import (
    NAMESPACE,
    ask,
    build,
    build_ended,
    entry,
    healthy,
    in_chunks,
    pack,
    pack_entries,
    spec,
    until,
    with_run,
)

SERVER = (
    "import http.server, os, pathlib\n"
    "os.chdir('/app')\n"
    "http.server.HTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
)


@pytest.fixture(scope="session", params=["docker", "classic"])
def krane(request: pytest.FixtureRequest) -> Krane:
    """A krane with each builder in turn."""
    return request.getfixturevalue(f"{request.param}_krane")


@pytest.fixture(scope="session")
def base(docker_kind: DockerKind) -> str:
    """The image that the tests build on."""
    return docker_kind.settings.python_base_image


async def test_dockerfile_is_used_and_dockerignore_followed(krane: Krane, base: str) -> None:
    dockerfile = (
        "# syntax=docker/dockerfile:1\n"
        f"FROM {base} AS tools\n"
        "COPY kept /tools/\n"
        f"FROM {base}\n"
        "WORKDIR /app\nCOPY . .\nCOPY --from=tools /tools/kept /app/copied\n"
        'EXPOSE 8000\nCMD ["python", "server.py"]\n'
    )
    files = {"Dockerfile": dockerfile, "server.py": SERVER, "kept": "kept", "secret": "s", ".dockerignore": "secret\n"}

    built = await build(krane.client, "dockerfile", pack(files))
    assert built.status is BuildStatus.SUCCEEDED, built
    await krane.client.create(spec("dockerfile-1", built.image))
    instance = await healthy(krane.client, "dockerfile-1")

    assert (await ask(instance, "/copied")).text == "kept"
    assert (await ask(instance, "/secret")).status_code == 404
    assert (await ask(instance, "/.interlock.dockerfile")).status_code == 404
    await krane.client.delete(NAMESPACE, "dockerfile-1")


async def test_image_says_whose_it_is_and_what_it_was_made_from(krane: Krane, base: str) -> None:
    files = {"Dockerfile": f'FROM {base}\nCMD ["x"]\n', "interlock.toml": "[health]\npath = '/up'"}
    archive = pack(files)
    source = (await krane.client.upload_source(in_chunks(archive))).source

    built = await build(krane.client, "labelled", archive)

    image = await call(krane.kind, "GET", f"/images/{built.image}/json")
    labels = image["Config"]["Labels"]
    assert built.image == image["Id"]
    assert labels["interlock.build.id"] == "labelled"
    assert labels["interlock.build.namespace"] == NAMESPACE
    assert f"source@sha256:{labels['interlock.build.source']}" == source
    assert json.loads(labels["interlock.app"])["settings"]["run"]["health_path"] == "/up"
    assert image["RepoTags"] == [f"interlock-{labels['interlock.build.installation']}:{labels['interlock.build.key']}"]


async def test_image_remembers_as_much_as_a_source_may_say(krane: Krane, base: str) -> None:
    def saying(value: str) -> bytes:
        return pack({"Dockerfile": f'FROM {base}\nCMD ["x"]\n', "interlock.toml": f"[env]\nQUOTES = '{value}'\n"})

    built = await build(krane.client, "talkative-1", saying('"' * 4500))
    refused = await build(krane.client, "talkative-2", saying('"' * 5000))

    assert built.settings.environment == {"QUOTES": '"' * 4500}
    assert refused.error == "interlock.toml is too large for an image's labels: set its variables with `interlock env`"


async def test_container_listens_where_its_deployment_says(krane: Krane) -> None:
    toml = '[start]\ncommand = ["python", "-S", "-m", "http.server", "$PORT"]\nport = 9000\n'
    built = await build(krane.client, "ports", pack({"interlock.toml": toml}))
    for deployment_id, port in (("ports-1", 0), ("ports-2", 7000)):
        await krane.client.create(with_run(spec(deployment_id, built.image), port=port))

    made = [(await container(krane.kind, f"{deployment_id}-0"))["Config"] for deployment_id in ("ports-1", "ports-2")]

    assert [config["Cmd"][-1] for config in made] == ["9000", "7000"]
    assert ["PORT=9000" in made[0]["Env"], "PORT=7000" in made[1]["Env"]] == [True, True]
    for deployment_id in ("ports-1", "ports-2"):
        await krane.client.delete(NAMESPACE, deployment_id)


@pytest.mark.parametrize("directive", ["", "# escape=`\n"])
async def test_image_remembers_what_a_source_says_to_the_letter(krane: Krane, base: str, directive: str) -> None:
    value = 'it\'s $HOME, \\ and `x`\n"ü" ${PATH}'
    dockerfile = f'{directive}FROM {base}\nCMD ["x"]\n'
    toml = f"[env]\nODD = {json.dumps(value)}\n"

    built = await build(
        krane.client, f"literal-{len(directive)}", pack({"Dockerfile": dockerfile, "interlock.toml": toml})
    )

    assert built.settings.environment == {"ODD": value}


@pytest.mark.parametrize(
    ("name", "dockerfile", "error"),
    [
        (
            "command-fails",
            'FROM {base}\nRUN ["python", "-S", "-c", "print(41 + 1); raise SystemExit(7)"]\n',
            'RUN ["python", "-S", "-c", "print(41 + 1); raise SystemExit(7)"] failed with exit code 7',
        ),
        ("syntax", "# syntax=x\nFROM {base}\nFOO bar\n", "the Dockerfile cannot be used: line 3: unknown instruction"),
        ("empty", "\n", "the Dockerfile cannot be used: "),
        ("no-file", "FROM {base}\nCOPY missing /\n", "COPY missing / failed: "),
        ("no-base", "FROM 127.0.0.1:9/missing:1\n", "image 127.0.0.1:9/missing:1 cannot be pulled now"),
    ],
)
async def test_build_that_fails_says_which_instruction_and_leaves_nothing(
    krane: Krane, base: str, name: str, dockerfile: str, error: str
) -> None:
    images = await krane.kind.images(krane.data_dir)

    built = await build(krane.client, name, pack({"Dockerfile": dockerfile.replace("{base}", base)}))

    assert built.status is BuildStatus.FAILED
    assert built.error.startswith(error)
    assert await krane.kind.images(krane.data_dir) == images
    if name == "command-fails":
        assert any(line.split(" ")[-1] == "42" for line in built.log_lines)


async def test_image_has_what_its_source_has_and_no_owners_or_set_id_bits(krane: Krane, base: str) -> None:
    program = entry("bin/run", size=3)
    program.uid, program.mtime, program.mode = 1000, 1_700_000_000, 0o4755
    private = entry("folder", tarfile.DIRTYPE)
    private.mode = 0o700
    # More than krane holds in memory, and than the engine takes at once.
    large = bytes(range(256)) * 12_288
    show = (
        # Another command each time: what is in the cache prints nothing.
        f"# {uuid.uuid4().hex}\n"
        "import hashlib, os\n"
        "os.chdir('/app')\n"
        "for folder, names, files in os.walk('.'):\n"
        "    for name in names + files:\n"
        "        path = os.path.join(folder, name)\n"
        "        s = os.lstat(path)\n"
        "        what = os.readlink(path) if os.path.islink(path) else '' if os.path.isdir(path) else "
        "hashlib.sha256(open(path, 'rb').read()).hexdigest()[:8]\n"
        "        print('entry', path, oct(s.st_mode), s.st_uid, '' if os.path.isdir(path) else int(s.st_mtime), what, "
        "flush=True)\n"
    )
    entries = [
        (entry("a/b/c", size=1), b"1"),
        (entry("a-b/c", size=1), b"2"),
        (entry("a b", size=1), b"3"),
        (program, b"run"),
        (entry("link", tarfile.SYMTYPE, "bin/run"), b""),
        (entry("again", tarfile.LNKTYPE, "bin/run"), b""),
        (private, b""),
        (entry("folder/empty"), b""),
        (entry("large", size=len(large)), large),
    ]
    dockerfile = f'FROM {base}\nCOPY . /app/\nRUN ["python", "-S", "-c", {json.dumps(show)}]\n'.encode()

    packed = pack_entries([(entry("Dockerfile", size=len(dockerfile)), dockerfile), *entries])
    await build(krane.client, "entries", packed)
    built = await krane.client.get_build(NAMESPACE, "entries", tail_lines=1000)

    def file(content: bytes) -> str:
        return f"0o100755 0 0 {hashlib.sha256(content).hexdigest()[:8]}"

    assert built is not None
    assert built.status is BuildStatus.SUCCEEDED, built
    found = {line.partition("entry ./")[2].rstrip() for line in built.log_lines if "entry ./" in line}
    assert found == {
        f"Dockerfile {file(dockerfile)}",
        "a 0o40755 0",
        "a/b 0o40755 0",
        f"a/b/c {file(b'1')}",
        "a-b 0o40755 0",
        f"a-b/c {file(b'2')}",
        f"a b {file(b'3')}",
        "bin 0o40755 0",
        f"bin/run {file(b'run')}",
        "link 0o120777 0 0 bin/run",
        f"again {file(b'run')}",
        "folder 0o40700 0",
        f"folder/empty {file(b'')}",
        f"large {file(large)}",
    }


async def test_links_in_circles_are_copied_as_they_are_and_followed_by_nobody(krane: Krane, base: str) -> None:
    circles = [
        entry("self", tarfile.SYMTYPE, "self"),
        entry("a", tarfile.SYMTYPE, "b"),
        entry("b", tarfile.SYMTYPE, "a"),
    ]
    # Whoever follows these sees 2^40 folders.
    doubled = [entry(f"d{i}/{side}", tarfile.SYMTYPE, f"../d{i + 1}") for i in range(40) for side in "lr"]

    def source(dockerfile: str) -> bytes:
        text = f"FROM {base}\n{dockerfile}\n".encode()
        links = [(link, b"") for link in (*circles, *doubled)]
        return pack_entries([(entry("Dockerfile", size=len(text)), text), *links])

    images = await krane.kind.images(krane.data_dir)
    kept = await build(krane.client, "circles", source("COPY . /app/"))
    followed = await build(krane.client, "followed", source("COPY self /app/"))

    assert kept.status is BuildStatus.SUCCEEDED, kept
    assert followed.error.startswith("COPY self /app/ failed: ")
    assert await krane.kind.images(krane.data_dir) == images | {kept.image}


async def test_log_can_be_read_while_the_build_runs(krane: Krane, base: str) -> None:
    command = "import time; print('half way', flush=True); time.sleep(3600)"
    dockerfile = f'FROM {base}\nRUN ["python", "-S", "-c", "{command}"]\n'
    stored = await krane.client.upload_source(in_chunks(pack({"Dockerfile": dockerfile})))
    await krane.client.start_build(NAMESPACE, "watched", stored.source)

    async def is_half_way() -> bool:
        state = await krane.client.get_build(NAMESPACE, "watched", tail_lines=100)
        return state is not None and any(line.endswith("half way") for line in state.log_lines)

    await until(is_half_way, 30)

    await krane.client.cancel_build(NAMESPACE, "watched")
    assert (await build_ended(krane.client, "watched")).status is BuildStatus.CANCELLED


async def test_written_dockerfile_is_shown(krane: Krane, base: str) -> None:
    await build(krane.client, "shown", pack({"Procfile": "web: python app.py"}))
    built = await krane.client.get_build(NAMESPACE, "shown", tail_lines=200)

    assert built is not None

    assert "the source has no Dockerfile; it is built with this one:" in built.log_lines
    assert f"  FROM {base}" in built.log_lines


async def test_a_change_of_the_source_alone_installs_nothing_again(docker_krane: Krane, base: str) -> None:
    unlike = uuid.uuid4().hex
    source = {"requirements.txt": f"# {unlike}\n", "app.py": "print(1)", "Procfile": "web: python app.py"}

    await build(docker_krane.client, "layer-1", pack(source))
    await build(docker_krane.client, "layer-2", pack(source | {"app.py": "print(2)"}))
    first = await _numbered(docker_krane, "layer-1")
    second = await _numbered(docker_krane, "layer-2")

    installs = [name for name in second if 'RUN ["python", "-m", "pip", "install"' in name]
    assert [second[name] for name in installs] == [["CACHED"]]
    assert first[installs[0]] != ["CACHED"]


async def test_command_that_takes_too_much_memory_is_killed_and_the_sentence_says_so(
    classic_krane: Krane, base: str
) -> None:
    command = 'RUN ["python", "-S", "-c", "print(len(bytes(1) * (1 << 28)))"]'

    built = await build(classic_krane.client, "greedy", pack({"Dockerfile": f"FROM {base}\n{command}\n"}))

    assert built.error.startswith(f"{command} was killed, probably because it used more than 64 MiB: use less memory,")
    assert built.error.endswith("or raise INTERLOCK_KRANE__BUILD_MEMORY_MIB")


async def test_log_of_buildkit_numbers_steps_and_says_what_was_cached(docker_krane: Krane, base: str) -> None:
    dockerfile = f'FROM {base}\nCOPY a /\nRUN ["python", "-S", "-c", "print(41 + 1)"]\n'
    unlike = uuid.uuid4().hex

    await build(docker_krane.client, "steps", pack({"Dockerfile": dockerfile, "a": unlike}))
    first = await _numbered(docker_krane, "steps")
    # Another source, of which the builder sees no difference.
    files = {"Dockerfile": dockerfile, "a": unlike, "b": "b", ".dockerignore": "b\n"}
    await build(docker_krane.client, "steps-2", pack(files))
    second = await _numbered(docker_krane, "steps-2")

    command = '[3/3] RUN ["python", "-S", "-c", "print(41 + 1)"]'
    assert (first[command][0], first[command][1][:5]) == ("42", "DONE ")
    assert second["[2/3] COPY a /"] == second[command] == ["CACHED"]


async def test_what_buildkit_keeps_goes_when_it_is_too_much_and_images_stay(
    docker_kind: DockerKind, base: str, tmp_path: Path
) -> None:
    dockerfile = f'FROM {base}\nCOPY a /\nRUN ["python", "-S", "-c", "open(\'/b\', \'w\').write(\'b\' * 9999)"]\n'
    settings = docker_kind.settings.model_copy(update={"build_cache_mib": 0})
    async with running(tmp_path, settings) as address, KraneClient(address) as client:
        built = await build(client, "cached", pack({"Dockerfile": dockerfile, "a": uuid.uuid4().hex}))
        kept = await _kept(docker_kind)

        await client.prune_images([built.image], timedelta(hours=1))

        assert kept
        assert await _kept(docker_kind) == set()
        assert await docker_kind.images(tmp_path) == {built.image}
    await docker_kind.end(tmp_path)


async def _kept(kind: DockerKind) -> set[str]:
    """What BuildKit keeps besides the layers of images."""
    usage = await call(kind, "GET", "/system/df")
    return {one["ID"] for one in usage["BuildCache"] if not one["Shared"] and not one["InUse"]}


async def _numbered(krane: Krane, build_id: str) -> dict[str, list[str]]:
    """The lines of each step of a build by BuildKit, by its name."""
    state = await krane.client.get_build(NAMESPACE, build_id, tail_lines=1000)
    assert state is not None
    steps: dict[str, list[str]] = {}
    for line in state.log_lines:
        if line.startswith("#"):
            number, _, text = line.partition(" ")
            steps.setdefault(number, []).append(text)
    return {name: lines for name, *lines in steps.values()}

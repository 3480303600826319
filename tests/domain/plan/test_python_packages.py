"""What a Python app requires is installed by the file that counts, and a lock is obeyed."""

import pytest

from services.domain.errors import Invalid
from tests.domain.plan.support import installs, plan

PROJECT = '[project]\nname = "demo"\nversion = "0.1.0"\ndependencies = ["six>=1.10"]\n'
BUILT = PROJECT + '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[tool.poetry]\nname = "demo"\n[tool.poetry.dependencies]\npython = "^3.11"\nsix = "^1.15"\n'
POETRY_BUILT = POETRY + '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
POETRY_ONLY = POETRY_BUILT.replace('name = "demo"', 'name = "demo"\npackage-mode = false')
SYNC = "uv sync --frozen --no-dev"
LOCKED = "uv pip install --no-deps -r -"
LOOSE = "uv pip install -r -"
APP = {"app.py": "", "Procfile": "web: python app.py"}


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        ({}, []),
        ({"requirements.txt": "six"}, ["uv pip install -r requirements.txt"]),
        ({"pyproject.toml": PROJECT, "uv.lock": ""}, [f"{SYNC} --no-install-project"]),
        ({"pyproject.toml": BUILT, "uv.lock": ""}, [f"{SYNC} --no-install-project", f"{SYNC} --no-editable"]),
        ({"pyproject.toml": BUILT + "[tool.uv]\npackage = false\n", "uv.lock": ""}, [f"{SYNC} --no-install-project"]),
        ({"pyproject.toml": PROJECT}, ["uv pip install -r pyproject.toml"]),
        ({"pyproject.toml": PROJECT + "[tool.uv]\npackage = false\n"}, ["uv pip install -r pyproject.toml"]),
        (
            {"pyproject.toml": PROJECT, "api/__init__.py": "", "models/__init__.py": ""},
            ["uv pip install -r pyproject.toml"],
        ),
        ({"pyproject.toml": BUILT}, ["uv pip install -r pyproject.toml", "uv pip install --no-deps ."]),
        (
            {"pyproject.toml": PROJECT, "src/demo/__init__.py": ""},
            ["uv pip install -r pyproject.toml", "uv pip install --no-deps ."],
        ),
        (
            {"pyproject.toml": PROJECT + '[project.scripts]\nx = "x:y"'},
            ["uv pip install -r pyproject.toml", "uv pip install --no-deps ."],
        ),
        ({"pyproject.toml": BUILT.replace("dependencies =", "dynamic = ['dependencies']\nx =")}, ["uv pip install ."]),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 100\n", "a/__init__.py": "", "b/__init__.py": ""}, []),
        ({"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'own'\n"}, ["uv pip install ."]),
        ({"pyproject.toml": POETRY_ONLY}, [LOOSE]),
        ({"pyproject.toml": POETRY_ONLY, "poetry.lock": ""}, [LOCKED]),
        ({"pyproject.toml": POETRY_BUILT, "poetry.lock": ""}, [LOCKED]),
        (
            {"pyproject.toml": POETRY_BUILT, "poetry.lock": "", "demo/__init__.py": ""},
            [LOCKED, "uv pip install --no-deps ."],
        ),
        ({"pyproject.toml": POETRY_BUILT, "demo/__init__.py": ""}, ["uv pip install ."]),
        ({"Pipfile": '[packages]\nsix = "*"', "Pipfile.lock": "{}"}, [LOCKED]),
        ({"Pipfile": '[packages]\nsix = "*"'}, [LOOSE]),
        ({"pylock.toml": "", "pyproject.toml": PROJECT}, ["uv pip install -r pylock.toml"]),
        ({"setup.py": "setup(install_requires=['six'])"}, ["uv pip install ."]),
        ({"setup.py": "setup()", "requirements.txt": "six"}, ["uv pip install -r requirements.txt"]),
        ({"requirements.txt": "six", "pyproject.toml": BUILT}, ["uv pip install -r requirements.txt"]),
        ({"requirements.txt": "six", "pyproject.toml": PROJECT, "uv.lock": ""}, [f"{SYNC} --no-install-project"]),
    ],
)
def test_requirements_are_installed_by_the_file_that_counts(files: dict[str, str], steps: list[str]) -> None:
    assert installs({**APP, **files}) == steps


@pytest.mark.parametrize(
    ("files", "needs"),
    [
        ({"requirements.txt": "six\n# x\n"}, ("requirements.txt",)),
        ({"requirements.txt": "-r more.txt\n", "more.txt": "six"}, None),
        (
            {"requirements.txt": "-r requirements/base.txt", "requirements/base.txt": "six"},
            ("requirements.txt", "requirements/base.txt"),
        ),
        (
            {"requirements.txt": "-r requirements/a.txt", "requirements/a.txt": "-r b.txt", "requirements/b.txt": ""},
            ("requirements.txt", "requirements/a.txt", "requirements/b.txt"),
        ),
        ({"requirements.txt": "-r not-there.txt"}, None),
        ({"requirements.txt": "-e ."}, None),
        ({"requirements.txt": "./wheels/x.whl"}, None),
        ({"requirements.txt": "wheels/x.whl"}, None),
        ({"requirements.txt": "x @ git+https://example.com/x.git"}, ("requirements.txt",)),
        ({"requirements.txt": "x @ file:./x"}, None),
        ({"requirements.txt": "--index-url https://example.com/simple\nsix"}, ("requirements.txt",)),
        ({"pyproject.toml": PROJECT, "uv.lock": ""}, ("pyproject.toml", "uv.lock")),
        ({"pyproject.toml": PROJECT, "uv.lock": 'source = { virtual = "." }'}, ("pyproject.toml", "uv.lock")),
        ({"pyproject.toml": PROJECT, "uv.lock": 'source = { editable = "libs/x" }'}, None),
        ({"pyproject.toml": PROJECT + "[tool.uv.workspace]\nmembers = ['x']\n", "uv.lock": ""}, None),
    ],
)
def test_a_step_says_which_files_it_needs(files: dict[str, str], needs: tuple[str, ...] | None) -> None:
    assert plan({**APP, **files}).install[0].needs == needs


def lines_of(files: dict[str, str]) -> list[str]:
    return plan({**APP, **files}).install[0].input.splitlines()


POETRY_2 = """
[[package]]
name = "six"
version = "1.15.0"
groups = ["main", "dev"]
files = [{file = "six-1.15.0.whl", hash = "sha256:aa"}, {file = "six-1.15.0.tar.gz", hash = "sha256:bb"}]

[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main"]
markers = "sys_platform == 'win32'"
files = []

[[package]]
name = "tool"
version = "1"
groups = ["main"]
markers = {main = "python_version < '3.12'", dev = "x"}
[package.source]
type = "git"
url = "https://example.com/tool.git"
resolved_reference = "abc"

[[package]]
name = "extra"
version = "1"
optional = true
groups = ["main"]

[[package]]
name = "pytest"
version = "8.0.0"
groups = ["dev"]
"""
POETRY_1 = """
[[package]]
name = "click"
version = "8.1.0"
files = [{file = "x", hash = "sha256:cc"}]
[package.dependencies]
colorama = {version = "*", markers = "platform_system == 'Windows'"}

[[package]]
name = "colorama"
version = "0.4.6"

[[package]]
name = "Six"
version = "1.15.0"
[package.dependencies]
click = "*"
orjson = {version = "*", optional = true}
[package.extras]
fast = ["orjson (>=3)"]

[[package]]
name = "orjson"
version = "3.0"

[[package]]
name = "pytest"
version = "8.0.0"
"""


def test_a_lock_of_poetry_2_says_itself_what_is_for_the_app() -> None:
    assert lines_of({"pyproject.toml": POETRY_ONLY, "poetry.lock": POETRY_2}) == [
        "six==1.15.0 --hash=sha256:aa --hash=sha256:bb",
        "colorama==0.4.6 ; sys_platform == 'win32'",
        "tool @ git+https://example.com/tool.git@abc ; python_version < '3.12'",
    ]


@pytest.mark.parametrize(
    ("wanted", "more"), [('"^1.15"', []), ('{version = "^1.15", extras = ["fast"]}', ["orjson==3.0"])]
)
def test_in_an_older_lock_of_poetry_what_the_app_requires_is_followed(wanted: str, more: list[str]) -> None:
    project = POETRY_ONLY.replace('"^1.15"', wanted)

    assert lines_of({"pyproject.toml": project, "poetry.lock": POETRY_1}) == [
        "click==8.1.0 --hash=sha256:cc",
        "colorama==0.4.6 ; platform_system == 'Windows'",
        *more,
        "Six==1.15.0",
    ]


def test_two_versions_of_which_a_lock_does_not_say_which_are_refused() -> None:
    lock = POETRY_1 + '[[package]]\nname = "click"\nversion = "9"\n'

    with pytest.raises(Invalid, match="two versions of click, and does not say which"):
        plan({**APP, "pyproject.toml": POETRY_ONLY, "poetry.lock": lock})


def test_constraints_of_poetry_without_a_lock_are_requirements() -> None:
    dependencies = """
[tool.poetry]
package-mode = false
[tool.poetry.dependencies]
python = "^3.11"
six = "^1.15"
a = "~2.1"
b = "*"
c = {version = ">=1,<3", extras = ["x", "y"], python = ">=3.12"}
d = {git = "https://example.com/d.git", tag = "v1"}
e = {path = "libs/e"}
f = {version = "1", optional = true}
g = [{version = "1.0", markers = "os_name == 'nt'"}, {version = "2.0"}]
h = "1.2.3"
"""

    assert lines_of({"pyproject.toml": dependencies}) == [
        "six>=1.15,<2.0",
        "a>=2.1,<2.2",
        "b",
        "c[x,y]>=1,<3 ; (python_full_version >= '3.12')",
        "d @ git+https://example.com/d.git@v1",
        "./libs/e",
        "g==1.0 ; (os_name == 'nt')",
        "g==2.0",
        "h==1.2.3",
    ]


def test_a_pipfile_and_its_lock_are_requirements() -> None:
    pipfile = (
        '[packages]\nsix = "*"\na = "==1.2"\nb = {version = ">=1", extras = ["x"]}\n'
        'c = {git = "https://example.com/c", ref = "m"}\n'
    )
    lock = (
        '{"_meta": {"sources": [{"url": "https://example.com/1"}, {"url": "https://example.com/2"}]}, "default": {'
        '"six": {"version": "==1.15.0", "hashes": ["sha256:aa", "sha256:bb"], "markers": "python_version >= \'3\'"},'
        '"b": {"version": "==1.0", "extras": ["x"]}, "c": {"git": "https://example.com/c", "ref": "abc"}},'
        '"develop": {"pytest": {"version": "==8"}}}'
    )

    assert lines_of({"Pipfile": pipfile}) == ["six", "a==1.2", "b[x]>=1", "c @ git+https://example.com/c@m"]
    assert lines_of({"Pipfile": pipfile, "Pipfile.lock": lock}) == [
        "--extra-index-url https://example.com/2",
        "six==1.15.0 ; python_version >= '3' --hash=sha256:aa --hash=sha256:bb",
        "b[x]==1.0",
        "c @ git+https://example.com/c@abc",
    ]


def test_what_does_not_count_is_named() -> None:
    made = plan({**APP, "requirements.txt": "six", "pyproject.toml": PROJECT, "uv.lock": ""})

    assert made.warnings == ("requirements.txt is not used: uv.lock has precedence",)
    assert made.package_manager is not None
    assert (made.package_manager.value, made.package_manager.source) == ("uv", "uv.lock")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"pdm.lock": "", "pyproject.toml": PROJECT},
            r"pdm\.lock is not supported: write a requirements\.txt",
        ),
        ({"uv.lock": ""}, r"the source has a uv\.lock, but no pyproject\.toml"),
        ({"pyproject.toml": "["}, r"pyproject\.toml cannot be read"),
        ({"Pipfile": "["}, "Pipfile cannot be read"),
        ({"Pipfile.lock": "{"}, r"Pipfile\.lock cannot be read"),
    ],
)
def test_a_lock_that_cannot_be_obeyed_stops_the_build(files: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        plan({**APP, **files})


def test_requirements_of_a_pyproject_need_the_wheels_and_folders_that_uv_installs_from() -> None:
    settings = '[tool.uv]\nfind-links = ["./wheels"]\n[tool.uv.sources]\nlib = { path = "lib" }\n'
    files = {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["lib"]\n' + settings, "main.py": ""}

    step = plan({**files, "wheels/a.whl": "", "wheels2/b.whl": "", "lib/setup.py": ""}).install[0]

    assert step.needs == ("pyproject.toml", "lib/setup.py", "wheels/a.whl")

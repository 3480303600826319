"""Versions as people write them."""

import pytest

from services.domain.errors import Invalid
from services.domain.plan.versions import is_older, is_within, node_intervals, python_request, python_specifier, triple
from tests.domain.plan.support import plan


@pytest.mark.parametrize(
    ("content", "request_"),
    [
        ("3.12", "3.12"),
        ("3.12.1\n", "3.12.1"),
        ("python-3.9.18", "3.9.18"),
        ("python-3.11\n", "3.11"),
        ("cpython-3.12", "3.12"),
        ("# the version\n3.14\n", "3.14"),
        ("3.12 # why\n3.11\n", "3.12"),
        ("v3.12", "3.12"),
        ("3.14rc1", "3.14rc1"),
        ("pypy3.10", ""),
        ("system", ""),
    ],
)
def test_the_version_of_python_is_read(content: str, request_: str) -> None:
    assert python_request(content) == request_


@pytest.mark.parametrize(
    ("constraint", "specifier"),
    [
        ("^3.11", ">=3.11,<4.0"),
        ("~3.11", ">=3.11,<3.12"),
        ("~3.11.2", ">=3.11.2,<3.12"),
        (">=3.10,<3.13", ">=3.10,<3.13"),
        (">=3.10 <3.13", ">=3.10,<3.13"),
        ("3.11.*", "==3.11.*"),
        ("3.11.4", "==3.11.4"),
        ("3.11", "==3.11.*"),
        ("!=3.9.*,>=3.8", "!=3.9.*,>=3.8"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^3.9 || ^4", ">=3.9,<4.0"),
        ("*", ""),
    ],
)
def test_constraints_of_poetry_become_specifiers(constraint: str, specifier: str) -> None:
    assert python_specifier(constraint) == specifier


@pytest.mark.parametrize(
    ("wanted", "version", "within", "older"),
    [
        ("20.x", "v20.20.2", True, False),
        ("20", "v20.20.2", True, False),
        (">=18", "v20.20.2", True, False),
        (">=18 <20", "v20.20.2", False, False),
        (">= 22.1", "v20.20.2", False, True),
        ("^18 || ^20", "v20.20.2", True, False),
        ("18 - 20", "v20.20.2", True, False),
        ("~20.20.1", "v20.20.2", True, False),
        ("4.0.0", "v20.20.2", False, False),
        ("^22 || ^24", "v20.20.2", False, True),
        ("*", "v20.20.2", True, False),
        ("v22", "v20.20.2", False, True),
    ],
)
def test_ranges_of_npm_are_understood(wanted: str, version: str, within: bool, older: bool) -> None:
    numbers, intervals = triple(version), node_intervals(wanted)

    assert numbers is not None
    assert (is_within(numbers, intervals), is_older(numbers, intervals)) == (within, older)


def test_a_release_line_by_its_name_is_no_range() -> None:
    assert node_intervals("lts/iron") == ()


@pytest.mark.parametrize(
    ("files", "request_", "source"),
    [
        ({".python-version": "3.12", "runtime.txt": "python-3.9.18"}, "3.12", ".python-version"),
        ({"runtime.txt": "python-3.9.18"}, "3.9.18", "runtime.txt"),
        ({".tool-versions": "nodejs 20\npython 3.12.1\n"}, "3.12.1", ".tool-versions"),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.11, <4"'}, ">=3.11,<4", "pyproject.toml"),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nsix = "*"'},
            ">=3.11,<4.0",
            "pyproject.toml",
        ),
        ({"Pipfile": '[requires]\npython_version = "3.11"'}, "3.11", "Pipfile"),
    ],
)
def test_the_version_comes_from_the_first_that_says_it(files: dict[str, str], request_: str, source: str) -> None:
    version = plan({"app.py": "", **files}).version

    assert version is not None
    assert (version.request, version.source) == (request_, source)


def test_two_versions_of_python_are_told() -> None:
    made = plan({"app.py": "", ".python-version": "3.12", "runtime.txt": "python-3.9.18"})

    assert made.warnings == ("runtime.txt asks for Python 3.9.18, which is not used: .python-version has precedence",)


def test_a_python_that_is_not_to_be_had_is_refused() -> None:
    with pytest.raises(Invalid, match=r"\.python-version does not name a Python version: write for example 3\.12"):
        plan({"app.py": "", ".python-version": "pypy3.10"})

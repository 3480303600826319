"""Converts lock files of Poetry and Pipenv to requirements that uv installs: the same versions, with the same hashes.

Neither tool is run: it would have to be installed first, and it would use PyPI even if the builder has another index.
A poetry.lock of Poetry 1 does not mark the packages that are only for development, so the packages that the app needs
are found by following its requirements.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from services.domain.errors import Invalid
from services.domain.plan.tables import Table, table, text, texts
from services.domain.plan.versions import package_specifier, python_specifier

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAIN = "main"


def normalised(name: str) -> str:
    """The normalised name of a package, for comparisons."""
    return re.sub(r"[-_.]+", "-", name).lower()


def poetry_lock_requirements(lock: Table, wanted: Iterable[str]) -> list[str]:
    """The lines for the app's packages in a poetry.lock; `wanted` is what pyproject.toml requires: names, with extras.

    Raises Invalid if the lock has two versions of a package and does not say which one is for the app.
    """
    packages = [table(entry) for entry in _entries(lock, "package")]
    hashes = table(lock, "metadata", "files")
    if all("groups" in package for package in packages):
        chosen = [(package, _marker(package)) for package in packages if _MAIN in texts(package, "groups")]
        chosen = [(package, marker) for package, marker in chosen if package.get("optional") is not True]
    else:
        chosen = _followed(packages, wanted)
    return [_locked_line(package, marker, hashes) for package, marker in chosen]


def poetry_requirements(dependencies: Table) -> list[str]:
    """The lines for `[tool.poetry.dependencies]`, if there is no lock."""
    lines: list[str] = []
    for name, value in dependencies.items():
        if name == "python":
            continue
        for one in cast(list[object], value) if isinstance(value, list) else [value]:
            entry = {"version": one} if isinstance(one, str) else table(one)
            if entry.get("optional") is not True:
                lines.append(_loose_line(name, entry))
    return lines


def pipfile_lock_requirements(lock: Table) -> list[str]:
    """The lines for the default packages of a Pipfile.lock."""
    sources = [table(source) for source in _entries(table(lock, "_meta"), "sources")]
    # The first source is the default index, which the builder may replace.
    lines = [f"--extra-index-url {text(source, 'url')}" for source in sources[1:] if text(source, "url")]
    for name, value in table(lock, "default").items():
        entry = table(value)
        place = _place(name, entry)
        version = text(entry, "version")
        parts = [place or f"{_with_extras(name, entry)}{version}"]
        if marker := text(entry, "markers"):
            parts.append(f"; {marker}")
        parts += [] if place else [f"--hash={one}" for one in texts(entry, "hashes")]
        lines.append(" ".join(parts))
    return lines


def pipfile_requirements(packages: Table) -> list[str]:
    """The lines for `[packages]` of a Pipfile, if there is no lock."""
    return [
        _loose_line(name, {"version": value} if isinstance(value, str) else table(value))
        for name, value in packages.items()
    ]


@dataclass(frozen=True, slots=True)
class _Edge:
    """A requirement of one package on another."""

    name: str
    marker: str
    extras: tuple[str, ...]


def _followed(packages: list[Table], wanted: Iterable[str]) -> list[tuple[Table, str]]:
    """The packages that the wanted ones need, directly or indirectly, each with its marker."""
    by_name: dict[str, list[Table]] = {}
    for package in packages:
        by_name.setdefault(normalised(text(package, "name")), []).append(package)
    markers: dict[str, str] = {}
    waiting = [_Edge(name, "", extras) for name, extras in _names(wanted)]
    seen: set[_Edge] = set()
    while waiting:
        edge = waiting.pop(0)
        if edge in seen or edge.name not in by_name:
            continue
        seen.add(edge)
        known = markers.get(edge.name)
        # A package that is once needed without a marker is always needed.
        markers[edge.name] = "" if known == "" or not edge.marker else _either(known, edge.marker)
        for package in by_name[edge.name]:
            waiting += _edges(package, edge)
    doubled = next((name for name in markers if len(by_name[name]) > 1), "")
    if doubled:
        raise Invalid(
            f"poetry.lock has two versions of {doubled}, and does not say which one is for the app: "
            "make it again with Poetry 2 (poetry lock)"
        )
    return [(by_name[name][0], marker) for name, marker in sorted(markers.items())]


def _edges(package: Table, parent: _Edge) -> Iterator[_Edge]:
    brought = {name for extra in parent.extras for name, _ in _names(texts(table(package, "extras"), extra))}
    for name, value in table(package, "dependencies").items():
        entry = table(value)
        if entry.get("optional") is True and normalised(name) not in brought:
            continue
        marker = text(entry, "markers")
        # The extras were checked above.
        own = "" if "extra ==" in marker else marker
        yield _Edge(normalised(name), own or parent.marker, tuple(texts(entry, "extras")))


def _either(one: str | None, other: str) -> str:
    return other if not one or one == other else f"({one}) or ({other})"


def _names(entries: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in entries:
        if match := _NAME.match(entry):
            extras = re.match(r"\s*\[([^\]]*)\]", entry[match.end() :])
            yield normalised(match[0]), tuple(extra.strip() for extra in extras[1].split(",")) if extras else ()


def _locked_line(package: Table, marker: str, hashes: Table) -> str:
    name = text(package, "name")
    source = table(package, "source")
    parts = [_source_line(name, source) or f"{name}=={text(package, 'version')}"]
    if marker:
        parts.append(f"; {marker}")
    if text(source, "type") in ("", "legacy"):
        files = _entries(package, "files") or _entries(hashes, name)
        parts += [f"--hash={text(table(file), 'hash')}" for file in files]
    return " ".join(parts)


def _source_line(name: str, source: Table) -> str:
    """The line for a package that does not come from an index; empty for one that does."""
    url, folder = text(source, "url"), text(source, "subdirectory")
    match text(source, "type"):
        case "git":
            reference = text(source, "resolved_reference") or text(source, "reference")
            return f"{name} @ git+{url}@{reference}" + (f"#subdirectory={folder}" if folder else "")
        case "url":
            return f"{name} @ {url}"
        case "directory" | "file":
            return f"./{url}"
        case _:
            return ""


def _marker(package: Table) -> str:
    """The marker of a package in the lock of Poetry 2; groups may have different ones."""
    value = package.get("markers")
    if isinstance(value, Mapping):
        return text(cast(Table, value), _MAIN)
    return value if isinstance(value, str) else ""


def _loose_line(name: str, entry: Table) -> str:
    version = text(entry, "version")
    markers = [text(entry, "markers")]
    if python := python_specifier(text(entry, "python")):
        markers += [f"python_full_version {_quoted(part)}" for part in python.split(",")]
    marker = " and ".join(f"({one})" for one in markers if one)
    line = _place(name, entry) or f"{_with_extras(name, entry)}{package_specifier(version)}"
    return f"{line} ; {marker}" if marker else line


def _quoted(part: str) -> str:
    match = re.fullmatch(r"([<>=!~]+)(.*)", part)
    return f"{match[1]} '{match[2]}'" if match else part


def _place(name: str, entry: Table) -> str:
    """The line for a package that does not come from an index; empty for one that does."""
    if url := text(entry, "git"):
        reference = next((found for key in ("rev", "ref", "tag", "branch") if (found := text(entry, key))), "")
        return f"{_with_extras(name, entry)} @ git+{url}" + (f"@{reference}" if reference else "")
    if url := text(entry, "url") or text(entry, "file"):
        return f"{name} @ {url}" if "://" in url else f"./{url.removeprefix('./')}"
    if path := text(entry, "path"):
        return f"./{path.removeprefix('./')}"
    return ""


def _with_extras(name: str, entry: Table) -> str:
    extras = texts(entry, "extras")
    return f"{name}[{','.join(extras)}]" if extras else name


def _entries(content: Table, key: str) -> list[object]:
    value = content.get(key)
    return cast(list[object], value) if isinstance(value, list) else []

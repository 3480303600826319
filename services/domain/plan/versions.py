"""Version constraints: PEP 440 specifiers for Python, npm ranges for Node."""

import re
from collections.abc import Sequence

Triple = tuple[int, int, int]
# A version range: the start is included, the end is not; None: no end.
Interval = tuple[Triple, Triple | None]

_PYTHON_FILE = re.compile(r"(?:(?:c?python)-?)?v?(?P<version>\d+(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?)")
_NUMBERS = re.compile(r"v?(?P<numbers>\d+(?:\.\d+){0,2})(?P<rest>(?:\.[xX*]){0,2}(?:[-+].*)?)")
_POETRY_PART = re.compile(r"(?P<operator>\^|~=|~|==|!=|>=|<=|>|<|=)?\s*(?P<version>[0-9][0-9A-Za-z.*]*)")
_NPM_COMPARATOR = re.compile(r"(?P<operator>\^|~>?|>=|<=|>|<|=)?\s*(?P<version>[vV]?[0-9xX*][0-9A-Za-z.*+-]*)")
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")


def python_request(text: str) -> str:
    """The version that a `.python-version` or `runtime.txt` names, as "3.12"; empty if it names no CPython version."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    first = next((line for line in lines if line), "")
    match = _PYTHON_FILE.fullmatch(first)
    return match["version"] if match else ""


def python_specifier(constraint: str) -> str:
    """Convert a Python constraint of Poetry or Pipenv to PEP 440: "3.11" is any 3.11; empty: any version."""
    return ",".join(
        f"{part}.*" if re.fullmatch(r"==\d+(?:\.\d+)?", part) else part
        for part in package_specifier(constraint).split(",")
    )


def package_specifier(constraint: str) -> str:
    """Convert a constraint of Poetry or Pipenv to a PEP 440 specifier; empty: any version.

    Of alternatives ("||"), only the first is used.
    """
    parts: list[str] = []
    for match in _POETRY_PART.finditer(constraint.partition("||")[0]):
        operator, version = match["operator"] or "==", match["version"]
        numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
        if operator == "^":
            parts += [f">={version}", f"<{_dotted(_above_caret(numbers))}"]
        elif operator == "~":
            parts += [f">={version}", f"<{_dotted(_above(numbers[:2]))}"]
        else:
            parts.append(f"{'==' if operator == '=' else operator}{version}")
    return ",".join(parts)


def python_satisfies(request: str, version: str) -> bool:
    """Whether a Python version, such as "3.11.7", matches a request: its first numbers, or a specifier."""
    return all(_satisfies_part(part.strip(), version) for part in request.split(",") if part.strip())


def node_intervals(text: str) -> tuple[Interval, ...]:
    """The versions that an npm range allows; empty if it cannot be parsed or names a release line, such as "lts"."""
    intervals = [_alternative(alternative) for alternative in text.split("||")]
    return tuple(interval for interval in intervals if interval is not None)


def is_within(version: Triple, intervals: Sequence[Interval]) -> bool:
    """Whether a version is in one of the intervals."""
    return any(low <= version and (high is None or version < high) for low, high in intervals)


def is_older(version: Triple, intervals: Sequence[Interval]) -> bool:
    """Whether a version is before all intervals; False if there are none."""
    return bool(intervals) and all(version < low for low, _ in intervals)


def triple(text: str) -> Triple | None:
    """Parse the numbers of a version, such as "v20.11.1"; None if it has none."""
    match = _NUMBERS.match(text.strip())
    return _filled([int(number) for number in match["numbers"].split(".")]) if match else None


def _satisfies_part(part: str, version: str) -> bool:
    match = re.fullmatch(r"(?P<operator>~=|===?|!=|>=|<=|>|<)?\s*(?P<version>[0-9][0-9A-Za-z.]*?)(?P<rest>\.\*)?", part)
    if match is None:
        return False
    operator, wanted = match["operator"] or "", [int(number) for number in re.findall(r"\d+", match["version"])[:3]]
    there = [int(number) for number in re.findall(r"\d+", version)[:3]]
    begins = there[: len(wanted)] == wanted
    match operator:
        case "":
            return begins
        case "==" | "===":
            return begins if match["rest"] else _filled(there) == _filled(wanted)
        case "!=":
            return not (begins if match["rest"] else _filled(there) == _filled(wanted))
        case "~=":
            return _filled(wanted) <= _filled(there) < _above(wanted[:-1])
        case ">=":
            return _filled(there) >= _filled(wanted)
        case "<=":
            return _filled(there) <= _filled(wanted)
        case ">":
            return _filled(there) > _filled(wanted)
        case _:
            return _filled(there) < _filled(wanted)


def _alternative(text: str) -> Interval | None:
    if hyphen := _HYPHEN.fullmatch(text):
        return _both(_comparator(">=", hyphen[1]), _comparator("<=", hyphen[2]))
    found: Interval | None = None
    for match in _NPM_COMPARATOR.finditer(text.strip()):
        found = _both(found, _comparator(match["operator"] or "", match["version"]))
    return found


def _both(one: Interval | None, other: Interval | None) -> Interval | None:
    if one is None or other is None:
        return one or other
    ends = [end for end in (one[1], other[1]) if end is not None]
    return max(one[0], other[0]), min(ends) if ends else None


def _comparator(operator: str, version: str) -> Interval | None:
    match = _NUMBERS.match(version)
    if match is None:
        # "*" and "x" are any version.
        return (0, 0, 0), None
    numbers = [int(number) for number in match["numbers"].split(".")]
    low = _filled(numbers)
    match operator:
        case "^":
            return low, _above_caret(numbers)
        case "~" | "~>":
            return low, _above(numbers[:2])
        case ">=":
            return low, None
        case ">":
            return _above(numbers), None
        case "<":
            return (0, 0, 0), low
        case "<=":
            return (0, 0, 0), _above(numbers)
        case _:
            return low, _above(numbers)


def _above(numbers: Sequence[int]) -> Triple:
    """The first version after all those that begin with these numbers."""
    return _filled([*numbers[:-1], numbers[-1] + 1])


def _above_caret(numbers: Sequence[int]) -> Triple:
    """The first version with a higher leftmost non-zero number: the upper limit of "^"."""
    leading = next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)
    return _above(numbers[: leading + 1])


def _filled(numbers: Sequence[int]) -> Triple:
    first, second, third = [*numbers, 0, 0, 0][:3]
    return first, second, third


def _dotted(numbers: Triple) -> str:
    return ".".join(map(str, numbers if numbers[2] else numbers[:2]))

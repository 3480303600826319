import pytest

from services.domain.errors import Invalid
from services.domain.variables import (
    MAX_TOTAL_BYTES,
    MAX_VALUE_BYTES,
    MAX_VARIABLES,
    check_names,
    check_variables,
)


def test_posix_names_and_any_text_are_taken() -> None:
    check_variables({"A": "", "_b9": "two\nlines", "PATH": "/opt/bin", "GREETING": "grüß Gott"})


@pytest.mark.parametrize("name", ["", "9LIVES", "WITH-DASH", "WITH SPACE", "A=B", "Ä", "A\n", "A" * 129])
def test_what_is_no_posix_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is not the name of a variable"):
        check_names([name])


@pytest.mark.parametrize("name", ["PORT", "HOST", "INTERLOCK_DEPLOYMENT_ID", "INTERLOCK_"])
def test_names_that_interlock_sets_itself_are_refused(name: str) -> None:
    with pytest.raises(Invalid, match=f"{name} is set by interlock itself"):
        check_names([name])


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"TOKEN": "hidden\0value"}, "TOKEN holds a NUL"),
        ({"TOKEN": "ü" * (MAX_VALUE_BYTES // 2 + 1)}, f"TOKEN has {MAX_VALUE_BYTES + 2} bytes"),
        ({f"V{n}": "" for n in range(MAX_VARIABLES + 1)}, "too many"),
        ({f"V{n}": "v" * MAX_VALUE_BYTES for n in range(MAX_TOTAL_BYTES // MAX_VALUE_BYTES + 1)}, "bytes together"),
    ],
)
def test_values_that_no_environment_can_hold_are_refused_without_being_shown(
    variables: dict[str, str], words: str
) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        check_variables(variables)

    assert "hidden" not in refused.value.message

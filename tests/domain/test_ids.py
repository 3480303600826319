import pytest

from services.domain.errors import Invalid
from services.domain.ids import check_id, check_slug


@pytest.mark.parametrize("value", ["d_0c8f", "p-1", "A", "0", "x" * 63])
def test_ids_are_letters_digits_underscores_and_hyphens(value: str) -> None:
    assert check_id("deployment_id", value) == value


@pytest.mark.parametrize(
    "value", ["", "x" * 64, "..", "../x", "a/b", "a.b", "-a", "_a", "a b", "a\n", "a\x00", "ä", "a'b", "a%2fb", "功能"]
)
def test_nothing_else_is_an_id(value: str) -> None:
    with pytest.raises(Invalid, match="deployment_id"):
        check_id("deployment_id", value)


@pytest.mark.parametrize("value", ["a", "0", "my-api", "a1-b2-c3", "x" * 40])
def test_slugs_are_lower_case_words_joined_by_single_hyphens(value: str) -> None:
    assert check_slug("project", value) == value


@pytest.mark.parametrize(
    "value", ["", "A", "a--b", "-a", "a-", "x" * 41, "a_b", "a.b", "a/b", "a\n", "ä", "功能", "../.."]
)
def test_nothing_else_is_a_slug(value: str) -> None:
    with pytest.raises(Invalid, match="project"):
        check_slug("project", value)


def test_a_refusal_does_not_repeat_a_huge_value() -> None:
    with pytest.raises(Invalid) as refused:
        check_id("deployment_id", "." * 100_000)

    assert len(refused.value.message) < 300

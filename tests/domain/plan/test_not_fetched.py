"""What git keeps elsewhere and a source lacks is named, and only that."""

import pytest

from tests.domain.plan.support import plan

APP = {"app.py": "print('hello')\n"}
MODULES = '[submodule "a"]\n\tpath = libs/a\n\turl = ../a\n[submodule "b"]\n\tpath = "libs/b b"\n\turl = ../b\n'
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ({}, ("git submodules are not fetched, and their folders are empty: libs/a, libs/b b",)),
        ({"libs/a/x": ""}, ("git submodules are not fetched, and their folders are empty: libs/b b",)),
        ({"libs/a/x": "", "libs/b b/x": ""}, ()),
    ],
)
def test_submodules_without_files_are_named(there: dict[str, str], named: tuple[str, ...]) -> None:
    assert plan({**APP, ".gitmodules": MODULES, **there}).warnings == named


def test_many_submodules_are_counted() -> None:
    modules = "".join(f'[submodule "{name}"]\n\tpath = {name}\n' for name in "abcde")

    assert plan({**APP, ".gitmodules": modules}).warnings[0].endswith(": a, b, c and 2 more")


@pytest.mark.parametrize(
    ("pattern", "content", "is_named"),
    [
        ("*.png", POINTER, True),
        ("img/*.png", POINTER, True),
        ("/img/**", POINTER, True),
        ("*.png", "the picture itself", False),
        ("*.mp4", POINTER, False),
        ("# *.png", POINTER, False),
    ],
)
def test_files_of_lfs_of_which_only_the_pointer_is_there_are_named(pattern: str, content: str, is_named: bool) -> None:
    attributes = f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"

    warnings = plan({**APP, ".gitattributes": attributes, "img/logo.png": content}).warnings

    assert warnings == (
        ("files of Git LFS are not fetched, and the source has only their pointers, such as img/logo.png",)
        if is_named
        else ()
    )


def test_a_dockerfile_does_not_hide_what_is_missing() -> None:
    assert "submodules" in plan({**APP, "Dockerfile": "FROM scratch\n", ".gitmodules": MODULES}).warnings[-1]

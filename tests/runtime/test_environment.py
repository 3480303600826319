"""What parts get to see of the environment."""

from pathlib import Path

import pytest

from services.config import KraneSettings, RestateSettings, Settings
from services.runtime.environment import bare_environment, part_environment, restate_environment


def test_a_part_reads_back_the_settings_it_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        log_json=False,
        restate=RestateSettings(node_port=1, identity_key="publickeyv1_abc"),
        krane=KraneSettings(git_file_roots=(tmp_path, Path("/srv/git"))),
    )

    for name, value in part_environment(settings).items():
        monkeypatch.setenv(name, value)

    assert Settings() == settings


def test_what_the_user_set_for_interlock_passes_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTERLOCK_KNOWN_TO_A_PART", "yes")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no")

    environment = part_environment(Settings(data_dir=tmp_path))

    assert environment["INTERLOCK_KNOWN_TO_A_PART"] == "yes"
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert not any(name.startswith("INTERLOCK_") for name in bare_environment())


def test_what_the_user_says_about_restate_reaches_restate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "0s")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no")

    environment = restate_environment()

    assert environment["RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT"] == "0s"
    assert "AWS_SECRET_ACCESS_KEY" not in environment

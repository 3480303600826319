import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import Invalid
from services.domain.settings import (
    SETTING_NAMES,
    EffectiveSettings,
    RunSettings,
    check_setting_name,
    check_settings,
    overlay,
    resolve,
)

SETTINGS = st.builds(
    RunSettings,
    replicas=st.none() | st.integers(1, 50),
    cpu_millicores=st.none() | st.integers(10, 64_000),
    memory_mib=st.none() | st.integers(16, 262_144),
    health_path=st.none() | st.sampled_from(["/", "/up", "/healthz?deep=1"]),
    port=st.none() | st.integers(1, 65_535),
    stop_seconds=st.none() | st.integers(1, 300),
    protocol=st.none() | st.sampled_from(["http/1.1", "h2c"]),
    ready_seconds=st.none() | st.integers(1, 3600),
    release_command=st.none() | st.sampled_from([(), ("./migrate",), ("python", "manage.py", "migrate")]),
    command=st.none() | st.sampled_from([("./serve",), ("python", "-m", "http.server", "$PORT")]),
)


@given(request=SETTINGS, project=SETTINGS, source=SETTINGS)
def test_each_setting_is_as_the_first_source_sets_it_else_the_default(
    request: RunSettings, project: RunSettings, source: RunSettings
) -> None:
    effective = resolve(request, project, source)

    for name in SETTING_NAMES:
        found = [value for one in (request, project, source) if (value := getattr(one, name)) is not None]
        assert getattr(effective, name) == (found[0] if found else getattr(EffectiveSettings(), name))


@given(request=SETTINGS, project=SETTINGS, source=SETTINGS)
def test_request_and_project_can_be_merged_before_the_source_tree_is_read(
    request: RunSettings, project: RunSettings, source: RunSettings
) -> None:
    assert resolve(overlay(request, project), source) == resolve(request, project, source)
    check_settings(overlay(request, project, source))


def test_without_settings_one_small_instance_runs_and_the_image_says_the_rest() -> None:
    effective = resolve(RunSettings(), RunSettings())

    assert (effective.replicas, effective.cpu_millicores, effective.memory_mib, effective.health_path) == (
        1,
        250,
        512,
        "",
    )
    assert (effective.port, effective.stop_seconds, effective.ready_seconds) == (0, 0, 0)
    assert (effective.release_command, effective.command) == ((), ())


def test_an_empty_release_command_is_set_and_one_that_is_not_set_leaves_it_to_the_next_source() -> None:
    source = RunSettings(release_command=("./migrate",))

    assert resolve(RunSettings(release_command=()), source).release_command == ()
    assert resolve(RunSettings(), source).release_command == ("./migrate",)
    assert resolve(RunSettings(release_command=("./mine",)), RunSettings(release_command=())).release_command == (
        "./mine",
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (RunSettings(replicas=0), "replicas is 0: use 1 to 50"),
        (RunSettings(replicas=51), "replicas is 51"),
        (RunSettings(cpu_millicores=9), "cpu_millicores is 9: use 10 to 64000"),
        (RunSettings(memory_mib=262_145), "memory_mib is 262145: use 16 to 262144"),
        (RunSettings(health_path=""), "health_path '' is not usable"),
        (RunSettings(health_path="//evil.example"), "health_path"),
        (RunSettings(port=0), "port is 0: use 1 to 65535"),
        (RunSettings(stop_seconds=301), "stop_seconds is 301: use 1 to 300"),
        (RunSettings(ready_seconds=3601), "ready_seconds is 3601: use 1 to 3600"),
        (RunSettings(protocol="h2"), "protocol 'h2' is not known: use 'http/1.1' or 'h2c'"),
        (RunSettings(command=()), "command names no program"),
        (RunSettings(release_command=("", "x")), "release_command names no program"),
        (RunSettings(release_command=("x",) * 201), "release_command is too long: use at most 200 arguments"),
        (RunSettings(release_command=("x" * 8193,)), "release_command is too long"),
        (RunSettings(release_command=("x", "a\0b")), "release_command holds a NUL"),
    ],
)
def test_values_that_cannot_be_used_are_refused(settings: RunSettings, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check_settings(settings)


def test_an_unknown_setting_is_refused_with_those_there_are() -> None:
    assert check_setting_name("replicas") == "replicas"
    with pytest.raises(Invalid, match="no setting 'speed'; use one of: replicas, cpu_millicores"):
        check_setting_name("speed")

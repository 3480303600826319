import pytest

from services.domain.errors import Invalid
from services.domain.settings import RunSettings, check_setting_name, check_settings, settle


def test_the_request_wins_over_the_project_and_the_project_over_the_defaults() -> None:
    project = RunSettings(replicas=2, memory_mib=256, health_path="/project")

    settled = settle(RunSettings(replicas=3, health_path="/request"), project)

    assert (settled.replicas, settled.health_path) == (3, "/request")
    assert (settled.memory_mib, settled.cpu_millicores) == (256, 250)


def test_nothing_said_is_one_small_instance_whose_source_says_how_it_is_healthy() -> None:
    settled = settle(RunSettings(), RunSettings())

    assert (settled.replicas, settled.cpu_millicores, settled.memory_mib, settled.health_path) == (1, 250, 512, "")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (RunSettings(replicas=0), "replicas is 0: use 1 to 50"),
        (RunSettings(replicas=51), "replicas is 51"),
        (RunSettings(cpu_millicores=9), "cpu_millicores is 9: use 10 to 64000"),
        (RunSettings(memory_mib=262_145), "memory_mib is 262145: use 16 to 262144"),
        (RunSettings(health_path=""), "health_path '' is not usable"),
        (RunSettings(health_path="//evil.example"), "health_path"),
    ],
)
def test_values_that_cannot_be_used_are_refused(settings: RunSettings, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check_settings(settings)


def test_an_unknown_setting_is_refused_with_those_there_are() -> None:
    assert check_setting_name("replicas") == "replicas"
    with pytest.raises(Invalid, match="no setting 'speed'; use one of: replicas, cpu_millicores"):
        check_setting_name("speed")

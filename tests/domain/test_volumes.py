"""Volumes as users write them."""

from pathlib import PurePosixPath

import pytest

from services.domain.errors import Invalid
from services.domain.volumes import Volume, parse_volumes, volume_variables


def test_a_volume_has_a_name_a_path_and_a_variable() -> None:
    volumes = parse_volumes(["data=/data", "up-loads=/app/up/loads"])

    assert volumes == (Volume("data", PurePosixPath("/data")), Volume("up-loads", PurePosixPath("/app/up/loads")))
    assert volume_variables(volumes) == {
        "INTERLOCK_VOLUME_DATA": "/data",
        "INTERLOCK_VOLUME_UP_LOADS": "/app/up/loads",
    }


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["Data=/data"], "volume name 'Data' is not usable"),
        (["=/data"], "volume name '' is not usable"),
        (["data"], "path '' of volume data is not usable"),
        (["data=data"], "path 'data' of volume data is not usable"),
        (["data=/data/"], "path '/data/' of volume data is not usable"),
        (["data=/data/../etc"], "path '/data/../etc' of volume data is not usable"),
        (["data=//data"], "path '//data' of volume data is not usable"),
        (["data=/da ta"], "path '/da ta' of volume data is not usable"),
        (["data=/data\n"], "is not usable"),
        (["data=/" + "a" * 200], "is not usable"),
        (["data=/app"], "volume data would hide the app in /app: use a folder in it, such as /app/data"),
        (["data=/usr"], "volume data would hide /usr of the system"),
        (["data=/proc/1"], "volume data would hide /proc/1 of the system"),
        (["a=/data", "a=/more"], "volume a is named twice"),
        (["a=/data", "b=/data/b"], "volumes a and b lie in each other: /data and /data/b"),
        ([f"v{n}=/v{n}" for n in range(11)], "there are 11 volumes: use at most 10"),
    ],
)
def test_a_volume_that_cannot_be_is_refused_in_one_sentence(texts: list[str], reason: str) -> None:
    with pytest.raises(Invalid) as error:
        parse_volumes(texts)

    assert reason in error.value.message

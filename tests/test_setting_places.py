"""A setting is declared once; what cannot be derived from that has it under the same name."""

from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from services.cli.deploying import deploy
from services.domain.settings import SETTING_NAMES, SETTINGS, EffectiveSettings, RunSettings, Setting
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.krane.v1 import run_pb2

GUIDE = Path(__file__).parents[1] / "docs" / "guide" / "settings-and-secrets.md"


@pytest.mark.parametrize("of", [RunSettings, EffectiveSettings])
def test_both_classes_have_the_settings_there_are_in_their_order(of: type[RunSettings | EffectiveSettings]) -> None:
    assert tuple(field.name for field in fields(of)) == SETTING_NAMES


@pytest.mark.parametrize("setting", SETTINGS, ids=SETTING_NAMES)
def test_messages_options_and_the_guide_have_every_setting(setting: Setting) -> None:
    for message in (pb.CreateDeploymentRequest, pb.RunSettings, pb.Deployment, run_pb2.RunSettings):
        assert setting.name in message.DESCRIPTOR.fields_by_name
    hints = get_type_hints(deploy, include_extras=True).values()
    options = [option for hint in hints for option in getattr(hint, "__metadata__", ())]
    assert any((option.help or "").startswith(f"{setting.text}. Default") for option in options)
    assert f"| `{setting.name}` |" in GUIDE.read_text()

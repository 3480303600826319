"""Records that an older krane wrote of deployments and tasks, as it wrote them, equal the same specs of today."""

import json

import pytest

from services.domain.settings import EffectiveSettings, RunSettings
from services.krane.backends.building.app_config import APP_CONFIG, AppConfig
from services.krane.backends.building.builds import BUILD_RECORD, CREDENTIALS, BuildRecord
from services.krane.backends.docker.containers import RECORD_ADAPTER, ContainerRecord
from services.krane.backends.docker.tasks import SPEC
from services.krane.backends.hosted.deployment import Wanted
from services.krane.backends.hosted.task import TASK_RECORD, TaskRecord
from services.krane.backends.process.driver import DEPLOYMENT_RECORD, ProcessRecord
from services.krane.types import AppSettings, BuildStatus, DeploymentSpec, HostCredential, TaskSpec, TaskStatus

IMAGE = "artifact@sha256:" + "a" * 64
IMAGE_ID = "sha256:" + "b" * 64
OLD_SPEC = """{
  "namespace": "acme", "deployment_id": "d_1", "image": "%s", "replicas": 2, "cpu_millicores": 300, "memory_mib": 200,
  "health_check": {"path": "/up", "interval_ms": 0, "timeout_ms": 0}, "command": ["./serve", "$PORT"], "port": 9000,
  "stop_seconds": 7, "environment_digest": "sha256:e"
}"""
OLD_TASK = """{
  "namespace": "acme", "task_id": "d_1", "image": "%s", "command": ["./migrate", "a b"], "cpu_millicores": 300,
  "memory_mib": 200, "timeout_seconds": 60.0, "environment_digest": "sha256:e"
}"""
# As krane keeps them: without what only its caller acts on.
SPEC_TODAY = DeploymentSpec(
    namespace="acme",
    deployment_id="d_1",
    image=IMAGE,
    run=EffectiveSettings(
        replicas=2,
        cpu_millicores=300,
        memory_mib=200,
        health_path="/up",
        command=("./serve", "$PORT"),
        port=9000,
        stop_seconds=7,
    ),
    environment_digest="sha256:e",
)
TASK_TODAY = TaskSpec(
    namespace="acme",
    task_id="d_1",
    image=IMAGE,
    run=EffectiveSettings(release_command=("./migrate", "a b"), cpu_millicores=300, memory_mib=200),
    timeout_seconds=60.0,
    environment_digest="sha256:e",
)


def test_the_deployment_file_of_the_process_backend() -> None:
    old = f"""{{"spec": {OLD_SPEC % IMAGE},
      "app": {{"command": ["./app"], "settings": {{"run": {{"replicas": null, "cpu_millicores": null,
        "memory_mib": null, "health_path": null, "port": null, "stop_seconds": 4, "ready_seconds": null,
        "release_command": null, "command": null}}, "environment": {{"MODE": "x"}}}}}},
      "wanted": "stopped", "environment": {{"A": "1"}}}}"""

    assert DEPLOYMENT_RECORD.validate_json(old) == ProcessRecord(
        spec=SPEC_TODAY,
        app=AppConfig(
            command=("./app",), settings=AppSettings(run=RunSettings(stop_seconds=4), environment={"MODE": "x"})
        ),
        wanted=Wanted.STOPPED,
        environment={"A": "1"},
    )


def test_the_label_of_a_container() -> None:
    old = f"""{{"spec": {OLD_SPEC % IMAGE_ID}, "image_id": "{IMAGE_ID}", "container_port": 9000, "health_path": "/of",
      "stop_seconds": 4, "command": ["./app", "9000"]}}"""
    image = RunSettings(health_path="/of", stop_seconds=4, command=("./app", "9000"), memory_mib=64)

    record = RECORD_ADAPTER.validate_json(old)

    wanted = json.loads(RECORD_ADAPTER.dump_json(record))
    today = ContainerRecord(spec=_of_image(SPEC_TODAY), image_id=IMAGE_ID, container_port=9000, of_image=image)
    assert record == today == RECORD_ADAPTER.validate_json(RECORD_ADAPTER.dump_json(today))
    assert (record.container_port, record.of_image.health_path, record.of_image.stop_seconds) == (9000, "/of", 4)
    assert record.of_image.command == ("./app", "9000")
    assert wanted["of_image"]["memory_mib"] is None


def test_the_label_of_a_container_whose_image_sets_nothing() -> None:
    old = f"""{{"spec": {OLD_SPEC % IMAGE_ID}, "image_id": "{IMAGE_ID}", "container_port": 80, "health_path": "",
      "stop_seconds": 0, "command": []}}"""

    assert RECORD_ADAPTER.validate_json(old).of_image == RunSettings()


def test_another_spec_of_an_older_krane_is_another_deployment() -> None:
    old = f"""{{"spec": {(OLD_SPEC % IMAGE_ID).replace('"stop_seconds": 7', '"stop_seconds": 8')},
      "image_id": "{IMAGE_ID}", "container_port": 9000, "health_path": "", "stop_seconds": 0, "command": []}}"""
    today = ContainerRecord(spec=_of_image(SPEC_TODAY), image_id=IMAGE_ID, container_port=9000, of_image=RunSettings())

    assert RECORD_ADAPTER.validate_json(old) != today


def test_the_file_and_the_label_of_a_task() -> None:
    file = f"""{{"spec": {OLD_TASK % IMAGE}, "status": "failed", "exit_code": 3, "reason": "exited with code 3"}}"""

    assert TASK_RECORD.validate_json(file) == TaskRecord(
        spec=TASK_TODAY, status=TaskStatus.FAILED, exit_code=3, reason="exited with code 3"
    )
    assert SPEC.validate_json(OLD_TASK % IMAGE) == TASK_TODAY


def test_the_label_of_an_image_and_the_manifest_of_an_artifact() -> None:
    old = """{"command": ["./app"], "settings": {"run": {"replicas": 2, "cpu_millicores": null, "memory_mib": null,
      "health_path": "/up", "port": 9000, "stop_seconds": null, "ready_seconds": 90, "release_command": ["./migrate"],
      "command": null}, "environment": {"MODE": "x"}}}"""

    assert APP_CONFIG.validate_json(old) == AppConfig(command=("./app",), settings=SETTINGS)


def test_the_file_of_a_build() -> None:
    old = f"""{{"namespace": "acme", "build_id": "d_1", "source_digest": "{"c" * 64}", "git": null, "commit": "",
      "branch": "", "priority": 0, "status": "succeeded", "image": "{IMAGE}", "error": "", "cached": true,
      "settings": {{"run": {{"replicas": 2, "cpu_millicores": null, "memory_mib": null, "health_path": "/up",
        "port": 9000, "stop_seconds": null, "ready_seconds": 90, "release_command": ["./migrate"], "command": null}},
        "environment": {{"MODE": "x"}}}}}}"""

    assert BUILD_RECORD.validate_json(old) == BuildRecord(
        namespace="acme",
        build_id="d_1",
        source_digest="c" * 64,
        status=BuildStatus.SUCCEEDED,
        image=IMAGE,
        cached=True,
        settings=SETTINGS,
    )


def test_the_credentials_of_a_build() -> None:
    old = """[{"registry": "git.example.com", "username": "u", "password": "p"}]"""
    today = (HostCredential(host="git.example.com", username="u", password="p"),)

    assert CREDENTIALS.validate_json(old) == CREDENTIALS.validate_json(CREDENTIALS.dump_json(today)) == today


@pytest.mark.parametrize("record", [SPEC_TODAY, TASK_TODAY], ids=["deployment", "task"])
def test_a_record_of_today_is_read_as_it_is(record: DeploymentSpec | TaskSpec) -> None:
    if isinstance(record, TaskSpec):
        kept = TaskRecord(spec=record)
        assert TASK_RECORD.validate_json(TASK_RECORD.dump_json(kept)) == kept
        assert SPEC.validate_json(SPEC.dump_json(record)) == record
    else:
        kept = ProcessRecord(spec=record, app=AppConfig(command=()), wanted=Wanted.RUNNING)
        assert DEPLOYMENT_RECORD.validate_json(DEPLOYMENT_RECORD.dump_json(kept)) == kept


SETTINGS = AppSettings(
    run=RunSettings(replicas=2, health_path="/up", port=9000, ready_seconds=90, release_command=("./migrate",)),
    environment={"MODE": "x"},
)


def _of_image(spec: DeploymentSpec) -> DeploymentSpec:
    return DeploymentSpec(
        namespace=spec.namespace,
        deployment_id=spec.deployment_id,
        image=IMAGE_ID,
        run=spec.run,
        environment_digest=spec.environment_digest,
    )

"""docker-compose.yml is what Docker reads, and keeps what the deployment page promises."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.test_docs import settings_read

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("web", "worker", "io", "beat", "gpu", "migrate")


def workers() -> list[str]:
    """The services that carry out tasks."""
    return [name for name, service in SERVICES.items() if "--queues" in service.get("command", "")]


def test_it_follows_the_compose_specification() -> None:
    assert set(PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).service_names()) == set(SERVICES)


def test_what_is_no_part_of_the_specification_would_be_noticed() -> None:
    wrong = {**COMPOSE, "services": {"web": {"image": "x", "heathcheck": {}}}}
    with pytest.raises(ValueError, match="heathcheck"):
        PyCompose.from_yaml(yaml.safe_dump(wrong))


def test_every_part_that_stays_up_says_whether_it_is_well() -> None:
    for name in set(SERVICES) - {"migrate"}:
        assert SERVICES[name]["healthcheck"]["test"], name


def test_nothing_of_ours_may_write_to_its_image_or_gain_rights() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
    assert re.search(r"^USER maskgrove$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)


def test_secrets_come_by_file_and_are_in_no_environment() -> None:
    for name in (*OURS, "postgres"):
        environment = SERVICES[name]["environment"]
        assert "postgres_password" in SERVICES[name]["secrets"]
        secret = {key for key in environment if re.search("PASSWORD|SECRET|KEY", key)}
        assert secret
        assert all(key.endswith("_FILE") for key in secret), name
        assert all("@" not in value or ":" not in value.split("//")[1].split("@")[0]
                   for value in environment.values() if "//" in value)  # fmt: skip


def test_settings_and_files_that_it_names_exist() -> None:
    for name in OURS:
        ours = {key.removesuffix("_FILE") for key in SERVICES[name]["environment"]}
        assert ours <= settings_read()
        build = SERVICES[name]["build"]
        assert (ROOT / build["context"] / build.get("dockerfile", "Dockerfile")).exists()
    needed = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert needed <= named


def test_each_queue_is_served_and_what_is_due_waits_for_no_long_work() -> None:
    commands = [SERVICES[name]["command"] for name in workers()]
    served = [command[command.index("--queues") + 1] for command in commands]
    assert sorted(served) == ["cpu", "gpu", "io"]
    for page in ("deploy", "scale-out", "run-the-pipeline"):
        told = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
        assert {"io"} == {queues for queues in re.findall(r"--queues (\S+)", told) if "io" in queues}


def test_workers_are_told_to_end_between_two_pieces_and_given_the_time() -> None:
    """SIGTERM, Docker's own signal; at SIGQUIT Celery kills its children, at once."""
    for name in workers():
        assert "stop_signal" not in SERVICES[name], name
        assert SERVICES[name]["stop_grace_period"] == "10m", name
    assert "SIGQUIT" not in (ROOT / "docs" / "how-to" / "deploy.md").read_text()


def test_every_volume_and_secret_is_declared() -> None:
    for service in SERVICES.values():
        for mounted in service.get("volumes", []):
            assert mounted.split(":")[0] in COMPOSE["volumes"]
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def test_images_install_what_the_project_names_and_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    gpu = (ROOT / "Dockerfile.gpu").read_text()
    for text in ((ROOT / "Dockerfile").read_text(), gpu):
        (named,) = re.findall(r'--editable "\.\[([a-z0-9,]+)\]"', text)
        assert {"s3"} <= set(named.split(",")) <= set(extras)
    assert set(re.search(r"^ +(cloudpickle.*) \\$", gpu, flags=re.MULTILINE)[1].split()) <= pinned
    assert f"ARG DETECTRON2={extras['pointrend'][0].rsplit('@')[-1]}\n" in gpu

"""Dockerfile and skaffold.yaml agree with the rest of the repository."""

import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from clickstream_local.parts.connect import IN_THE_WORKER
from clickstream_operator.manifests.pods import USER_ID

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SKAFFOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
TARGETS = ("processor", "operator", "collector", "connect")


def stage(name: str) -> str:
    """Return the instructions of a stage."""
    found = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def test_every_target_runs_as_a_numeric_user_and_says_what_it_is() -> None:
    for target in TARGETS:
        text = stage(target)
        assert re.search(r"^USER \d+", text, re.MULTILINE), target
        for label in ("title", "description", "licenses", "version", "revision"):
            assert f"org.opencontainers.image.{label}=" in text, target


def test_the_programs_are_started_directly() -> None:
    for target in ("processor", "operator", "collector"):
        assert f'ENTRYPOINT ["python", "-m", "clickstream_{target}"]' in stage(target)


def test_the_user_is_the_one_that_the_pods_run_as() -> None:
    assert f"USER {USER_ID}:{USER_ID}\n" in stage("processor")
    helpers = (ROOT / "charts/clickstream/templates/_helpers.tpl").read_text()
    assert f"runAsUser: {USER_ID}\n" in helpers


def test_dependencies_come_from_hashed_lock_files() -> None:
    script = (ROOT / "scripts/install-locked").read_text()
    assert "--require-hashes --requirement" in script
    for target in ("processor", "operator", "collector"):
        assert f"RUN install-locked {target}/requirements.lock" in stage(f"{target}-build")


def test_operator_and_processor_have_the_same_expressions() -> None:
    for target in ("processor", "operator"):
        text = stage(f"{target}-build")
        assert "COPY expressions expressions\n" in text
        assert f"install-locked expressions {target}\n" in text


def test_what_is_copied_is_in_the_build_context() -> None:
    kept = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for path in kept:
        assert (ROOT / path).exists(), path
    for source in re.findall(r"^COPY (?:--chown=\S+ )?(?!--)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert any(path == source or path.startswith(f"{source}/") for path in kept), source


def test_debezium_leaves_out_what_the_worker_has() -> None:
    (left_out,) = re.findall(r"-DexcludeGroupIds=(\S+)", DOCKERFILE)
    assert set(left_out.split(",")) == set(IN_THE_WORKER)


def test_skaffold_builds_the_targets_and_sets_only_values_the_chart_has() -> None:
    values = yaml.safe_load((ROOT / "charts/clickstream/values.yaml").read_text())
    assert {each["docker"]["target"] for each in artifacts()} <= {*TARGETS, "operator-dev"}
    (release,) = SKAFFOLD["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"] / "Chart.yaml").exists()
    paths = set(release["setValueTemplates"])
    for patch in patches():
        before, _, value = patch["path"].rpartition("/")
        paths |= set(patch["value"]) if value == "setValues" else set()
        paths |= {value} if before.endswith("setValueTemplates") else set()
    for path in paths:
        at = values
        for name in path.split("."):
            assert name in at, path
            at = at[name]


def test_synchronised_files_land_where_the_development_image_looks_first() -> None:
    (synced,) = [each for each in artifacts() if "sync" in each]
    text = stage(synced["docker"]["target"])
    rules = synced["sync"]["manual"]
    copied = dict(re.findall(r"^COPY --chown=\S+ (\S+) (\S+)$", text, re.MULTILINE))
    places = set()
    for rule in rules:
        assert f"ENV PYTHONPATH={rule['dest']}\n" in text
        for path in ROOT.glob(rule["src"]):
            file = path.relative_to(ROOT).as_posix()
            (source,) = [each for each in copied if file.startswith(f"{each}/")]
            places.add(f"{rule['dest']}/{file.removeprefix(rule['strip'])}")
            assert file.replace(source, copied[source]) in places
    assert "/opt/dev/clickstream_operator/__main__.py" in places
    assert "/opt/dev/clickstream_expressions/expression.py" in places


def test_a_program_runs_again_after_a_signal_and_ends_with_its_status(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"pathlib.Path({str(tmp_path)!r}, 'starts').open('a').write('x')\n"
        "signal.pause()\n"
    )

    def wait_for(starts: str) -> None:
        deadline_s = time.monotonic() + 60
        while (tmp_path / "starts").exists() is False or (tmp_path / "starts").read_text() != starts:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    # A shell cannot catch what was ignored before it began, as under nohup.
    heard = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(
        [ROOT / "scripts/run-again", sys.executable, program],
        preexec_fn=heard,
    ) as running:
        try:
            wait_for("x")
            running.send_signal(signal.SIGHUP)
            wait_for("xx")
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 7


def artifacts() -> list[dict[str, Any]]:
    """Return the images that skaffold builds, with and without its profiles."""
    replaced = [patch["value"] for patch in patches() if patch["path"].startswith("/build/artifacts/")]
    return [*SKAFFOLD["build"]["artifacts"], *replaced]


def patches() -> list[dict[str, Any]]:
    return [patch for profile in SKAFFOLD["profiles"] for patch in profile["patches"]]

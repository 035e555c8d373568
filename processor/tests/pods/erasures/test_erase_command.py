"""The local command `erase`, on a folder that says that a demo runs there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clickstream_local.demo.demo import RUN_FILE
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.testing.fixtures import Topics
from processor_support.erasures import OTHER, USER, assert_gone, make_rig, send


@pytest.mark.long
def test_the_local_command_erases_users_of_a_demo_and_keeps_no_copy_of_their_ids(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = make_rig(kafka, topics, tmp_path / "demo")
    try:
        rig.start()
        send(rig, 5, USER, OTHER)
        (tmp_path / "demo" / RUN_FILE).write_text(json.dumps({"pid": os.getpid()}))
        example = yaml.safe_load((REPOSITORY / "examples" / "erasure.yaml").read_text())
        example["spec"] |= {"pipeline": "rig", "users": [USER]}
        file = tmp_path / "erasure.yaml"
        file.write_text(yaml.safe_dump(example))
        command = [sys.executable, "-m", "clickstream_local", "erase", str(file), "--data", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["phase"] == "done"
        assert_gone(rig)
        kept = [path for path in (tmp_path / "demo" / "erasures").rglob("*") if path.is_file()]
        assert kept
        assert not any(USER in path.read_text() for path in kept)
    finally:
        rig.stop()

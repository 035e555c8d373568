"""The program reads users from a file of their own, as a mounted Secret has them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.machine.ports import HOST, free_ports
from clickstream_processor.erasing.receipt import hashed

SETTINGS: dict[str, Any] = {
    "settingsVersion": 1,
    "name": "storefront",
    "namespace": "shop",
    "id": "shop.storefront",
    "peers": {"host": HOST},
}


def run(folder: Path, lines: bytes | None, **erasure: Any) -> tuple[int, dict[str, Any], str]:
    """Run the program without a Kafka; return its exit status, its last word, and all that it said."""
    admin, kafka = free_ports(2)
    files = {name: folder / name for name in ("settings.json", "erasure.json", "users", "word")}
    files["settings.json"].write_text(
        json.dumps(SETTINGS | {"kafka": {"bootstrapServers": f"{HOST}:{kafka}"}})
    )
    files["erasure.json"].write_text(json.dumps({"version": 1, "name": "gone"} | erasure))
    files["word"].write_text("")
    if lines is not None:
        files["users"].write_bytes(lines)
    done = subprocess.run(
        [sys.executable, "-m", "clickstream_processor.erasing"],
        env={
            "CLICKSTREAM_SETTINGS": str(files["settings.json"]),
            "CLICKSTREAM_ERASURE_FILE": str(files["erasure.json"]),
            "CLICKSTREAM_ERASURE_USERS_FILE": str(files["users"]),
            "CLICKSTREAM_TERMINATION_LOG": str(files["word"]),
            "CLICKSTREAM_ADMIN_PORT": str(admin),
            "CLICKSTREAM_DATA_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    word = files["word"].read_text()
    return done.returncode, json.loads(word), done.stdout + done.stderr + word


def test_a_receipt_has_the_users_of_the_file_and_names_none(tmp_path: Path) -> None:
    status, receipt, said = run(tmp_path, b"alice123\r\nbob smith\n\n")
    assert (status, receipt["phase"]) == (1, "failed")
    assert "Kafka" in receipt["message"]
    assert (receipt["count"], receipt["users"]) == (2, hashed(["alice123", "bob smith"]))
    assert "alice123" not in said


@pytest.mark.parametrize(
    ("users", "erasure", "message"),
    [
        (None, {}, "CLICKSTREAM_ERASURE_USERS_FILE: cannot read"),
        (b"\n", {}, "users: 0 of them"),
        (b"alice123\n", {"users": ["bob"]}, "leave one out"),
    ],
)
def test_users_that_cannot_be_read_end_it_at_once(
    tmp_path: Path, users: bytes | None, erasure: dict[str, Any], message: str
) -> None:
    status, receipt, said = run(tmp_path, users, **erasure)
    assert (status, receipt["phase"]) == (1, "failed")
    assert message in receipt["message"]
    assert "alice123" not in said

#!/usr/bin/env python3
"""Writes an image archive (`docker load`, `ctr images import`) from one root folder, without a daemon.

archive.py OUT.tar ROOT TAG[,TAG...] [--entrypoint JSON] [--cmd JSON] [--env K=V]...
The same folder gives the same digest: sorted names, fixed owner and time.
"""

import argparse
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EPOCH = "1970-01-01T00:00:00Z"


def main() -> None:
    """Write the archive that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("root")
    parser.add_argument("tags")
    parser.add_argument("--entrypoint", type=json.loads)
    parser.add_argument("--cmd", type=json.loads)
    parser.add_argument("--env", action="append", default=[PATH])
    arguments = parser.parse_args()
    with tempfile.NamedTemporaryFile(suffix=".layer.tar") as layer:
        order = ["--sort=name", "--numeric-owner", "--mtime=@0", "--one-file-system"]
        subprocess.run(["tar", "-C", arguments.root, *order, "-cf", layer.name, "."], check=True)
        with open(layer.name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        settings: dict[str, Any] = {"Env": arguments.env, "WorkingDir": "/"}
        if arguments.entrypoint:
            settings["Entrypoint"] = arguments.entrypoint
        if arguments.cmd:
            settings["Cmd"] = arguments.cmd
        _write(arguments.out, layer.name, digest, settings, arguments.tags.split(","))


def _write(out: str, layer: str, digest: str, settings: dict[str, Any], tags: list[str]) -> None:
    configuration = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": EPOCH, "created_by": "archive.py"}],
        }
    ).encode()
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": tags, "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(out, "w") as archive:
        for entry, data in ((name, configuration), ("manifest.json", json.dumps(manifest).encode())):
            info = tarfile.TarInfo(entry)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        archive.add(layer, f"{digest}/layer.tar")


if __name__ == "__main__":
    main()

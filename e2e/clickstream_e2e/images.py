"""The images of the suite: the product's by its own Dockerfile, the data plane's by e2e/images/Dockerfile.

Each is tagged with a digest of what it is made from, so an unchanged one is never built again.
`python -m clickstream_e2e.images` builds all and prints their names.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clickstream_local.machine import maven
from clickstream_local.parts.connect import IN_THE_WORKER
from clickstream_local.parts.kafka import kafka_jars

E2E = Path(__file__).parents[1]
REPOSITORY = E2E.parent
# Another checkout to build the product from, such as the version before.
SOURCE = Path(os.environ.get("E2E_SOURCE") or REPOSITORY)
PARTS = REPOSITORY / "local" / "clickstream_local" / "parts"
_EXPRESSIONS = ("expressions/clickstream_expressions", "expressions/pyproject.toml")
_OF_PRODUCT = {
    "processor": (
        *_EXPRESSIONS,
        "processor/clickstream_processor",
        "processor/pyproject.toml",
        "processor/requirements.lock",
        "processor/build-requirements.lock",
        "processor/setup.py",
    ),
    "operator": (
        *_EXPRESSIONS,
        "operator/clickstream_operator",
        "operator/pyproject.toml",
        "operator/requirements.lock",
    ),
    "collector": (
        "collector/clickstream_collector",
        "collector/pyproject.toml",
        "collector/requirements.lock",
    ),
    "connect": ("connect/src", "connect/pom.xml", "local/clickstream_local/parts/debezium.pom.xml"),
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image by its name, and how long its build took."""

    reference: str
    seconds: float = 0.0


def build_all() -> dict[str, Image]:
    """Return every image by its role; those that exist already take no time."""
    images = {role: _of_data_plane(role) for role in ("kafka", "search", "postgres")}
    base = _base_of_connect(images["kafka"].reference)
    images |= {role: _of_product(role) for role in ("processor", "operator", "collector")}
    images["connect"] = _of_product("connect", f"CONNECT_IMAGE={base}")
    return images


def _base_of_connect(own: str) -> str:
    """Return what the product's Connect is built on: Strimzi can run only what comes from its own image."""
    if os.environ.get("STRIMZI") != "real":
        return own
    name = "STRIMZI_KAFKA_IMAGE"
    if not (image := os.environ.get(name)):
        raise RuntimeError(f"{name} is not set: name the image in which your Strimzi runs Kafka")
    return image


def _of_product(role: str, *arguments: str) -> Image:
    inputs = ("Dockerfile", "scripts/install-locked", *_OF_PRODUCT[role])
    reference = f"clickstream-{role}:e2e-{_digest((SOURCE / name for name in inputs), *arguments)}"
    return _build(reference, SOURCE, SOURCE / "Dockerfile", role, *arguments)


def _of_data_plane(role: str) -> Image:
    files = [
        E2E / "images",
        PARTS / "kafka.pom.xml",
        PARTS / "elasticsearch.pom.xml",
        PARTS / "Elasticsearch.java",
    ]
    reference = f"clickstream-e2e-{role}:{_digest(files)}"
    if _exists(reference):
        return Image(reference)
    with tempfile.TemporaryDirectory(dir=maven.cache_folder()) as folder:
        context = Path(folder)
        _link(kafka_jars(_say), context / "kafka")
        provider = maven.jars(
            "config-provider-1.2.0",
            E2E / "images" / "provider.pom.xml",
            exclude_groups=IN_THE_WORKER,
            say=_say,
        )
        _link(provider, context / "provider")
        search = maven.jars("elasticsearch-7.10.2", PARTS / "elasticsearch.pom.xml", say=_say)
        _link(search, context / "search")
        shutil.copy(PARTS / "Elasticsearch.java", context)
        shutil.copy(PARTS / "log4j2.yaml", context)
        return _build(reference, context, E2E / "images" / "Dockerfile", role)


def _link(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=os.link)


def docker() -> str:
    """Return docker's program: the distribution's, which fits its daemon, before another of that name."""
    return next((path for path in ("/usr/bin/docker",) if Path(path).exists()), "docker")


def _build(reference: str, context: Path, dockerfile: Path, target: str, *arguments: str) -> Image:
    if _exists(reference):
        return Image(reference)
    _say(f"building {reference}")
    began = time.monotonic()
    options = [word for argument in arguments for word in ("--build-arg", argument)]
    command = ["nice", docker(), "build", "--quiet", "--network", "host", "--target", target, *options]
    command += ["--tag", reference, "--file", str(dockerfile), str(context)]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-6000:]}")
    seconds = time.monotonic() - began
    _say(f"{reference} took {seconds:.0f} s")
    return Image(reference, seconds)


def _exists(reference: str) -> bool:
    asked = [docker(), "image", "inspect", reference]
    return subprocess.run(asked, env=_environment(), capture_output=True, check=False).returncode == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "DOCKER_BUILDKIT": "1"}


def _digest(paths: Iterable[Path], *texts: str) -> str:
    digest = hashlib.sha256("\n".join(texts).encode())
    for path in paths:
        files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    for role, image in build_all().items():
        print(f"{role}\t{image.reference}\t{image.seconds:.0f}")

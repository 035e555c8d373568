"""The collector as a process: it takes the clicks of the shop's page and of the visitors, over HTTP."""

import sys
from pathlib import Path

from clickstream_operator.manifests.names import internal_topic
from clickstream_operator.spec.clickpipeline import ClickPipeline

from clickstream_local.machine.ports import HOST
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.parts.part import Part
from clickstream_local.parts.pods import sum_of

IDENTITIES = "identities"  # the purpose in the topic's name


class Collector(Part):
    """One collector of a pipeline. Its topics must exist before it is ready."""

    def __init__(
        self,
        folder: Path,
        pipeline: ClickPipeline,
        *,
        bootstrap: str,
        port: int,
        admin_port: int,
        key: str,
        origins: tuple[str, ...] = (),
    ) -> None:
        """`key`: the write key; pages of other `origins` may not use it, and programs may."""
        self.url = f"http://{HOST}:{port}"
        self.admin_url = f"http://{HOST}:{admin_port}"
        self.key = key
        self._keys = folder / "collector-keys"
        self._line = " ".join([key, *(f"origin={origin}" for origin in origins)])
        topics = pipeline.spec.topics
        given = {
            "BOOTSTRAP_SERVERS": bootstrap,
            "PIPELINE_ID": pipeline.id,
            "CLICKS_TOPIC": topics.clicks,
            "DEAD_LETTERS_TOPIC": topics.dead_letters,
            "IDENTITIES_TOPIC": internal_topic(pipeline, IDENTITIES),
            "KEYS_FILE": str(self._keys),
            "HOST": HOST,
            "PORT": str(port),
            "ADMIN_PORT": str(admin_port),
        }
        self._process = Process(
            "collector",
            [sys.executable, "-m", "clickstream_collector"],
            log=folder / "collector.log",
            environment={f"CLICKSTREAM_COLLECTOR_{name}": value for name, value in given.items()},
        )

    def _prepare(self) -> None:
        self._keys.touch(mode=0o600)
        self._keys.write_text(self._line + "\n")

    def _is_ready(self) -> bool:
        return request("GET", f"{self.admin_url}/readyz").ok

    def taken(self) -> int:
        """Return how many clicks this process has taken; 0 where it does not answer."""
        answer = request("GET", f"{self.admin_url}/metrics")
        return int(sum_of(answer.body.decode(), "clickstream_collector_events_total", {})) if answer.ok else 0

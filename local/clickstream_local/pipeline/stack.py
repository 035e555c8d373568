"""The whole reference pipeline on this machine: every part, started and stopped in order.

Order of the start, each step as soon as what it needs is there:
1. tools and jars (installed and fetched when absent);
2. settings and secrets;
3. PostgreSQL with its table, Kafka with its topics, the search engine;
4. Kafka Connect, the controller, the pods and the collector, once Kafka runs and the topics exist;
5. the connectors: the source once Connect runs, the sink once the pods made the index template;
6. the first profiles: until the source's snapshot is complete, no click is processed.
Prometheus, where it is wanted and installed, needs nothing: it finds the parts as they come.
The stop is the reverse; it is complete even when the start broke off half-way.
"""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from clickstream_operator.assignment.tasks import tasks_of
from clickstream_operator.manifests.chosen_connectors import connectors_of
from clickstream_operator.manifests.connectors import Connector, directory_references
from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

from clickstream_local.errors import CannotStart, DeadlinePassed, StartEnded
from clickstream_local.load.profiles import make_profiles
from clickstream_local.load.profiles_topic import ProfilesTopic
from clickstream_local.machine import tools
from clickstream_local.machine.ports import HOST
from clickstream_local.machine.process import START_TIMEOUT_S
from clickstream_local.parts.collector import Collector
from clickstream_local.parts.connect import Connect, build_sink, debezium, file_connectors
from clickstream_local.parts.controller import Controller
from clickstream_local.parts.elasticsearch import Elasticsearch
from clickstream_local.parts.kafka import Kafka, kafka_jars
from clickstream_local.parts.opensearch import OpenSearch
from clickstream_local.parts.pods import Pods
from clickstream_local.parts.postgres import Postgres
from clickstream_local.parts.prometheus import Prometheus, Target, find_prometheus
from clickstream_local.parts.search import SearchEngine, call, choose_engine
from clickstream_local.pipeline import resources
from clickstream_local.pipeline.database import Profiles, ProfileTable
from clickstream_local.pipeline.monitoring import targets
from clickstream_local.pipeline.options import Options
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.reference import (
    Place,
    create_identities,
    create_topics,
    load,
    write_secret,
    write_settings,
)

ROLE = "clickstream"
FILES = "org.apache.kafka.connect.file."


class Part(Protocol):
    """What every part can do."""

    def start(self) -> None:
        """Start and wait until it is ready."""

    def stop(self) -> None:
        """Stop in order."""

    def is_running(self) -> bool:
        """Tell whether its programs live."""


class Stack:
    """One running reference pipeline. `start` and `stop` belong to one thread."""

    def __init__(self, options: Options, progress: Progress, *, whole: bool = False) -> None:
        """`whole`: a pipeline without a table or without search is refused."""
        self.options = options
        self._whole = whole
        self.progress = progress
        self._started: list[Part] = []
        self._ending = False
        self.connectors: list[Connector] = []
        self.kafka: Kafka
        self.postgres: Postgres
        self.search: SearchEngine
        self.connect: Connect
        self.pods: Pods
        self.controller: Controller
        self.collector: Collector
        self.prometheus: Prometheus | None = None  # not wanted, or not installed
        self.settings = options.data / "settings.json"
        self.pipeline: ClickPipeline
        self.table: ProfileTable

    def start(self) -> None:
        """Start everything. Raises a LocalError; whatever runs by then is stopped by `stop`."""
        resources.check(self.options)
        self._make_parts(choose_engine(self.options.engine))
        with ThreadPoolExecutor() as pool:

            def begin(what: str, act: Callable[[], None], *after: Future[None]) -> Future[None]:
                return pool.submit(self._step, what, act, after)

            kafka = begin("Kafka", lambda: self._run(self.kafka))
            topics = begin("topics", lambda: create_topics(self.pipeline, self.kafka.bootstrap), kafka)
            rows, indexes = self._begin_ends(begin, topics)
            connect = []
            if self.connectors:
                connect.append(begin("Kafka Connect", lambda: self._run(self.connect), kafka))
            controller = begin("controller", lambda: self._run(self.controller), topics)
            pods = begin(f"{self.options.pods} processor pods", lambda: self._run(self.pods), topics)
            collector = begin("collector", self._start_collector, topics)
            source = []
            if self._source:
                source.append(begin("connector of profiles", self._put_source, *connect, topics, *rows))
            if self._sinks:
                what = "connectors of sinks" if self.pipeline.spec.sinks else "connector of the search index"
                indexes.append(begin(what, self._put_sinks, *connect, pods, *indexes))
            loaded = begin("first profiles", self._wait_for_tasks, *source, *rows, controller, pods)
            steps = [kafka, topics, *rows, *indexes, *connect, controller, pods, collector, *source, loaded]
            if (prometheus := self.prometheus) is not None:
                steps.append(begin("Prometheus", lambda: self._run(prometheus)))
            try:
                for future in wait(steps, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                # The other steps would go on in vain and start more: end that until all have failed.
                self._ending = True
                while wait(steps, timeout=0.2).not_done:
                    self._end_parts()
                raise

    def _begin_ends(
        self, begin: Callable[..., Future[None]], topics: Future[None]
    ) -> tuple[list[Future[None]], list[Future[None]]]:
        """Begin step 3 but Kafka, as far as the pipeline has it: where rows come from, where clicks go."""
        rows, indexes, pipeline = [], [], self.pipeline
        if pipeline.has_table:
            rows.append(begin("PostgreSQL", lambda: self._run(self.postgres)))
            rows.append(begin("table, rows, role, publication", self._prepare_table, rows[0]))
        elif pipeline.spec.source and pipeline.spec.source.topic:
            rows.append(begin("rows of the profiles topic", self._fill_topic, topics))
        if pipeline.search:
            indexes.append(begin(self.search.engine, lambda: self._run(self.search)))
        return rows, indexes

    def _step(self, what: str, act: Callable[[], None], after: tuple[Future[None], ...]) -> None:
        for other in after:
            other.result()
        if self._ending:
            raise StartEnded(what)
        with self.progress.step(what):
            act()

    def _run(self, part: Part) -> None:
        self._started.append(part)  # before the start: a half-started part is stopped too
        part.start()

    def stop(self) -> None:
        """Stop everything that was started, the last first."""
        if self._started:
            with self.progress.step("stopping"):
                self._end_parts()
        self._started.clear()

    def parts(self) -> dict[str, Part]:
        """Return every part by its name."""
        pipeline, parts = self.pipeline, dict[str, Part]()
        if pipeline.has_table:
            parts["PostgreSQL"] = self.postgres
        parts["Kafka"] = self.kafka
        if pipeline.search:
            parts[self.search.engine] = self.search
        if self.connectors:
            parts["Kafka Connect"] = self.connect
        return parts | {
            "the controller": self.controller,
            "the collector": self.collector,
            "a pod": self.pods,
        }

    def show_targets(self) -> None:
        """Tell Prometheus, where it runs, which pods there are at present."""
        if self.prometheus is not None:
            self.prometheus.follow(self.targets())

    def targets(self) -> list[Target]:
        """Return what tells metrics."""
        return targets(self.pipeline, self.options.ports, len(self.pods.pods))

    def ended(self) -> list[str]:
        """Return the names of parts that run no more."""
        return [name for name, part in self.parts().items() if not part.is_running()]

    def _end_parts(self) -> None:
        for part in reversed(self._started):
            part.stop()

    def _make_parts(self, engine: str) -> None:
        """Steps 1 and 2: what is needed on the machine; all parts and files, nothing started."""
        options, ports, say = self.options, self.options.ports, self.progress.say
        options.data.mkdir(parents=True, exist_ok=True)
        with self.progress.step("tools and jars"):
            tools.java(say=say)
            tools.postgres(say)
            kafka_jars(say)
            debezium(say)
            build_sink(say)
            kind = OpenSearch if engine == "opensearch" else Elasticsearch
            self.search = kind(options.data, port=ports.search, say=say)
        self.kafka = Kafka(options.data, ports=[ports.kafka, ports.kafka_controller])
        self.postgres = Postgres(options.data, port=ports.postgres)
        self.connect = Connect(
            options.data,
            self.kafka,
            port=ports.connect,
            metrics_port=ports.connect_metrics if options.monitored else None,
            secrets=options.data / "secrets",
            plugins={"kafka-files": file_connectors(say)} if _has_files(options.pipeline) else {},
            say=say,
        )
        place = Place(
            bootstrap=self.kafka.bootstrap,
            postgres_port=ports.postgres,
            search_url=self.search.url,
            search_engine=self.search.engine,
            query_port=ports.query,
            admin_port=ports.admin,
            pods=options.pods,
        )
        self.pipeline = load(options.pipeline, place)
        if self._whole and not (self.pipeline.has_table and self.pipeline.search):
            raise CannotStart(f"{options.pipeline}: smoke needs one with source.postgres and sink.search")
        if self.pipeline.has_table:
            self.table = ProfileTable(self.postgres, self.pipeline.postgres.database)
        self.pods = self._make_pods(place)
        self.controller = Controller(
            options.data,
            settings=self.settings,
            secrets=options.data / "secrets",
            metrics_port=ports.controller_metrics if options.monitored else None,
        )
        self.collector = self._make_collector()
        self.connectors = self._make_connectors()
        if options.monitored and find_prometheus():
            self.prometheus = Prometheus(options.data, port=ports.prometheus)
            self.show_targets()

    def _make_pods(self, place: Place) -> Pods:
        options = self.options
        write_settings(self.pipeline, place, self.settings)
        self._secret(names_of(self.pipeline).peer_key, "key", {})
        return Pods(
            options.data,
            settings=self.settings,
            secrets=options.data / "secrets",
            count=options.pods,
            query_port=place.query_port,
            admin_port=place.admin_port,
            assignment="control",
        )

    def _make_collector(self) -> Collector:
        options, shop = self.options, self.options.ports.shop
        return Collector(
            options.data,
            self.pipeline,
            bootstrap=self.kafka.bootstrap,
            port=options.ports.collector,
            admin_port=options.ports.collector_admin,
            key=self._secret("collector", "write-key", {}),
            origins=(f"http://{HOST}:{shop}", f"http://localhost:{shop}"),
        )

    def _start_collector(self) -> None:
        create_identities(self.pipeline, self.kafka.bootstrap)
        self._run(self.collector)

    def _make_connectors(self) -> list[Connector]:
        if self.pipeline.spec.connect is None:
            return []
        return connectors_of(self.pipeline, directory_references(self.pipeline, str(self.connect.secrets)))

    @property
    def _source(self) -> list[Connector]:
        name = names_of(self.pipeline).profiles_connector
        return [connector for connector in self.connectors if connector.name == name]

    @property
    def _sinks(self) -> list[Connector]:
        return [connector for connector in self.connectors if connector not in self._source]

    @property
    def profiles(self) -> Profiles | None:
        """Return where to write profiles; None where none are read, or a connector brings them."""
        if self.pipeline.has_table:
            return self.table
        source = self.pipeline.spec.source
        return self._profiles_topic() if source and source.topic else None

    def _profiles_topic(self) -> ProfilesTopic:
        return ProfilesTopic(self.kafka.bootstrap, self.pipeline.spec.topics.profiles)

    def _fill_topic(self) -> None:
        self._profiles_topic().fill(make_profiles(self.options.profiles, self.options.seed))

    def _prepare_table(self) -> None:
        options, source = self.options, self.pipeline.postgres
        password = self._secret(source.credentials_secret, "password", {"username": ROLE})
        profiles = make_profiles(options.profiles, options.seed)
        self.table.prepare(ROLE, password, str(source.publication), profiles)

    def _secret(self, name: str, key: str, others: dict[str, str]) -> str:
        """Return a secret's value, making it at the first start: the database keeps the password."""
        folder = self.options.data / "secrets"
        with suppress(FileNotFoundError):
            return (folder / name / key).read_text()
        value = secrets.token_urlsafe(24)
        write_secret(folder, name, {**others, key: value})
        return value

    def _put_source(self) -> None:
        for connector in self._source:
            self._put(connector)

    def _put_sinks(self) -> None:
        """Step 5: the pods have put the index template by then, else the engine guesses the fields' types."""
        if self.pipeline.search:
            self._wait_for_template(self.pipeline.search.index)
        for connector in self._sinks:
            self._put(connector)

    def _put(self, connector: Connector) -> None:
        self.connect.put(connector.name, connector.rest())
        self.connect.wait_until_running(connector.name)

    def _wait_for_tasks(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Step 6: every task runs, so the source's snapshot is complete and in the state."""
        wanted = len(tasks_of(self.pipeline))

        def all_run() -> bool:
            return self.pods.metric("clickstream_task_state", role="owner", phase="running") >= wanted

        self._wait(all_run, f"not all {wanted} tasks run; see pod-*.log", timeout_s)

    def _wait_for_template(self, index: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until a pod has put the index template: without it the engine guesses the fields' types."""

        def is_there() -> bool:
            answer = call(self.search, "GET", "/_index_template")
            templates = answer.json().get("index_templates", []) if answer.ok else []
            return f"{index}-*" in [p for one in templates for p in one["index_template"]["index_patterns"]]

        self._wait(is_there, f"no pod has put the template of {index}-*; see pod-0.log", timeout_s)

    def _wait(self, condition: Callable[[], bool], otherwise: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._ending:
                raise StartEnded(otherwise)
            if time.monotonic() > deadline:
                raise DeadlinePassed(f"after {timeout_s:.0f} s {otherwise}")
            time.sleep(0.1)


def _has_files(pipeline: Path) -> bool:
    """Tell whether a pipeline names one of Kafka's own connectors of files: the worker has them on demand."""
    return pipeline.exists() and FILES in pipeline.read_text()

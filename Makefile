# The index of every command. `make help` lists them; docs/explanation/architecture.md says what each part is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements.lock
UV := uv==0.13.9

.DEFAULT_GOAL := help
.PHONY: help setup demo smoke test test-long fuzz lint clean chaos chaos-collector bench bench-quick bench-collector bench-metrics oracle test-operator cluster cluster-down e2e sbom ci lock format dashboards reference docs screenshots tag unit

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): $(LOCKS) expressions/pyproject.toml collector/pyproject.toml operator/pyproject.toml processor/pyproject.toml local/pyproject.toml chaos/pyproject.toml
	@scripts/bootstrap $(PYTHON) $(VENV) '$(UV)' && touch $@

setup: $(READY)  ## Make the virtual environment from the lock file

demo: $(READY)  ## Run the whole pipeline on this machine, on real parts (PODS=2 RATE=200 SEARCH_ENGINE=opensearch|elasticsearch)
	@exec $(BIN)/python -m clickstream_local demo

smoke: $(READY)  ## The same, bounded: prove the whole path and print one JSON line
	@exec $(BIN)/python -m clickstream_local smoke

unit: $(READY)  ## All tests that start no real part
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not real"

test: $(READY)  ## Unit and integration tests (real Kafka, started by the tests)
	@scripts/test

test-long: $(READY)  ## Randomised tests with fresh seeds, for minutes (CLICKSTREAM_LONG_MINUTES=3)
	@scripts/test-long

fuzz: $(READY)  ## Fuzz the collector from bytes to records, guided by coverage (CLICKSTREAM_FUZZ_SECONDS=60)
	@scripts/fuzz

chaos: $(READY)  ## Faults against running pods, with an independent checker (CHAOS_MINUTES=10 CHAOS_SEED= CHAOS_BROKERS=1|3)
	@scripts/chaos

chaos-collector: $(READY)  ## Faults against a collector, with an independent checker (the same variables)
	@CHAOS_TARGET=collector scripts/chaos

bench: $(READY)  ## Side by side with other systems and plain copies, on three inputs: over an hour
	@scripts/bench

bench-quick: $(READY)  ## The same in minutes on one input, and what got worse than the baseline
	@scripts/bench --quick

bench-collector: $(READY)  ## How fast the collector is: beside a bare handler, in batches, at half of its load
	@scripts/bench --collector

bench-metrics: $(READY)  ## What two metrics of a pipeline cost, beside Kafka Streams, how fresh and how fast answered they are
	@scripts/bench --metrics

oracle: $(READY)  ## Compare with Kafka Streams record for record, for longer than the tests do
	@scripts/oracle

test-operator: $(READY)  ## The operator and its CRD against a real kube-apiserver, with faults
	@scripts/test-operator

cluster: $(READY)  ## A real single-node Kubernetes on this machine (root; first time about 8 minutes)
	@e2e/cluster/up.sh

cluster-down:  ## Stop it (PURGE=1: and remove its state)
	@e2e/cluster/down.sh $(if $(PURGE),--purge)

e2e: $(READY)  ## Every promise on a real cluster (KIND=1, E2E_KUBECONFIG=, STRIMZI=real: scripts/e2e --help)
	@scripts/e2e

sbom: $(READY)  ## Bills of materials of the images (CycloneDX), and a check of the licences
	@scripts/sbom

lint: $(READY)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy expressions && $(BIN)/mypy operator && $(BIN)/mypy processor && $(BIN)/mypy collector && $(BIN)/mypy local && $(BIN)/mypy chaos && $(BIN)/mypy charts && $(BIN)/mypy connect/tests && $(BIN)/mypy e2e
	MYPYPATH=bench $(BIN)/mypy -p clickstream_bench && MYPYPATH=bench $(BIN)/mypy bench/tests && MYPYPATH=bench $(BIN)/mypy bench/hot_path.py
	$(BIN)/lint-imports

format: $(READY)  ## Format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: $(READY)  ## Compile the lock files again
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
	  --group dev expressions/pyproject.toml collector/pyproject.toml operator/pyproject.toml processor/pyproject.toml local/pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 expressions/pyproject.toml processor/pyproject.toml -o processor/requirements.lock
	echo 'mypy[mypyc]==2.4.1' | $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 - -o processor/build-requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 expressions/pyproject.toml operator/pyproject.toml -o operator/requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 collector/pyproject.toml -o collector/requirements.lock
	echo 'atheris==3.0.0' | $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 -c collector/requirements.lock collector/pyproject.toml - -o collector/fuzz-requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --group docs -o docs-requirements.lock

clean:  ## Remove the demo's data, build output and the virtual environment
	rm -rf .local build connect/target bench/kafka-streams/target bench/flink-sql/target $(VENV)

ci:  ## What .ci/run calls: lint, then every suite that exists
	@scripts/ci

reference: $(READY)  ## Write docs/reference/ from the CRD and the code
	$(BIN)/python -m charts.reference

docs: $(READY)  ## The documentation as a site in build/site; a broken link fails
	$(PYTHON) -m venv build/docs-venv
	$(BIN)/uv pip install -q --python build/docs-venv/bin/python --require-hashes -r docs-requirements.lock
	NO_MKDOCS_2_WARNING=1 build/docs-venv/bin/mkdocs build --strict

screenshots: $(READY)  ## Take pictures of the running demo's pages for README and docs
	@$(BIN)/python -m clickstream_local.testing.screenshots

tag:  ## Check and build the tag for websites into the collector's package (needs npm)
	@scripts/tag

dashboards: $(READY)  ## Write the Grafana dashboards' JSON into the chart
	$(BIN)/python -m charts.dashboards

# The images of the product: `docker build --target processor|operator|collector|connect .`
#
# PYTHON_IMAGE   base of all but Kafka Connect; any Debian with Python 3.11 and pip will do
# CONNECT_IMAGE  base with the Kafka Connect runtime: Strimzi's Kafka image, of the Strimzi that runs it
# PIP_INDEX_URL  a mirror of PyPI, if need be
#
# The numeric user may not write anywhere: data lives on volumes, and a read-only root works.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG CONNECT_IMAGE=quay.io/strimzi/kafka:1.2.0-kafka-4.3.1

# --- what processor, operator and collector share ------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS base
ENV LANG=C.UTF-8 \
    PATH=/opt/clickstream/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --gid 10001 clickstream \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin clickstream
WORKDIR /

FROM base AS build
ARG PIP_INDEX_URL
# The only thing needed to build our packages that their lock files do not have.
RUN echo 'setuptools==80.9.0 --hash=sha256:062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922' > /build.txt \
 && python -m venv /opt/clickstream \
 && python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --quiet --no-cache-dir --require-hashes --requirement /build.txt
COPY scripts/install-locked /usr/local/bin/
WORKDIR /src

# --- processor: consumes, joins, counts, answers queries ------------------------------------------------
FROM build AS processor-build
# The hot modules are compiled (docs/adr/0021-the-line-is-compiled.md). Debian's Python has its headers in a package of their own.
RUN apt-get update -qq \
 && headers="$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc libc6-dev \
      $([ -e "$headers/Python.h" ] || echo python3-dev) > /dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY processor/build-requirements.lock processor/
RUN /opt/build/bin/python -m pip install --quiet --no-cache-dir --require-hashes --requirement processor/build-requirements.lock
COPY processor/requirements.lock processor/
RUN install-locked processor/requirements.lock
COPY expressions expressions
COPY processor processor
RUN CLICKSTREAM_COMPILE=1 install-locked expressions processor

FROM base AS processor
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="clickstream-processor" \
      org.opencontainers.image.description="A pod of a clickstream pipeline: joins, counts exactly once, answers queries" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=processor-build /opt/clickstream /opt/clickstream
USER 10001:10001
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "clickstream_processor"]

# --- operator: turns ClickPipelines into running pipelines ----------------------------------------------
FROM build AS operator-build
COPY operator/requirements.lock operator/
RUN install-locked operator/requirements.lock
COPY expressions expressions
COPY operator operator
RUN install-locked expressions operator

FROM base AS operator
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="clickstream-operator" \
      org.opencontainers.image.description="Kubernetes operator for clickstream pipelines" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=operator-build /opt/clickstream /opt/clickstream
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "clickstream_operator"]

# --- collector: takes clicks over HTTP -------------------------------------------------------------------
FROM build AS collector-build
COPY collector/requirements.lock collector/
RUN install-locked collector/requirements.lock
COPY collector collector
RUN install-locked collector

FROM base AS collector
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="clickstream-collector" \
      org.opencontainers.image.description="Clicks over HTTP into Kafka, from browsers, applications and analytics SDKs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=collector-build /opt/clickstream /opt/clickstream
USER 10001:10001
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "clickstream_collector"]

# --- operator-dev: the same for `skaffold dev`, which copies changed sources to where they come first ------
FROM operator AS operator-dev
COPY scripts/run-again /usr/local/bin/
COPY --chown=10001:10001 expressions/clickstream_expressions /opt/dev/clickstream_expressions
COPY --chown=10001:10001 operator/clickstream_operator /opt/dev/clickstream_operator
ENV PYTHONPATH=/opt/dev
ENTRYPOINT ["run-again", "python", "-m", "clickstream_operator"]

# --- connect: Kafka Connect with Debezium's PostgreSQL source and our search sink ------------------------
FROM base AS plugins
# Java's own trust store is made from single certificates: it gets those of the base's bundle, where a company's may be.
# The manual pages' folder: slim images lack it, and the JDK's installation fails without.
RUN csplit -sz -f /usr/local/share/ca-certificates/base- -b %03d.crt /etc/ssl/certs/ca-certificates.crt '/-BEGIN CERT/' '{*}' \
 && mkdir -p /usr/share/man/man1 \
 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends maven openjdk-17-jdk-headless > /dev/null \
 && update-ca-certificates > /dev/null \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY local/clickstream_local/parts/debezium.pom.xml debezium.pom.xml
# What the worker has itself must not be in a plugin's folder a second time.
RUN mvn -q -B -f debezium.pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory=/plugins/debezium-postgres \
      -DexcludeGroupIds=org.apache.kafka,org.slf4j,org.apache.logging.log4j,com.github.luben,org.lz4,at.yawk.lz4,org.xerial.snappy
COPY connect connect
RUN mvn -q -B -f connect/pom.xml package -DskipTests \
 && cp -r connect/target/plugin/clickstream-connect /plugins/

FROM ${CONNECT_IMAGE} AS connect
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="clickstream-connect" \
      org.opencontainers.image.description="Kafka Connect with Debezium's PostgreSQL source and the clickstream search sink" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Strimzi puts /opt/kafka/plugins into the worker's plugin.path.
COPY --from=plugins /plugins /opt/kafka/plugins
USER 1001

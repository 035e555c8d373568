"""What Prometheus scrapes of a running pipeline, labelled as the chart's monitors label it in a cluster."""

from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

from clickstream_local.parts.prometheus import Target
from clickstream_local.pipeline.options import Ports


def targets(pipeline: ClickPipeline, ports: Ports, pods: int) -> list[Target]:
    """Return all that is scraped. `instance` is what a pod's name would be."""
    which = {"namespace": pipeline.namespace, "pipeline": pipeline.name}
    names = names_of(pipeline)
    cluster = pipeline.connect.cluster if pipeline.spec.connect else ""
    worker = {"namespace": pipeline.namespace, "instance": f"{cluster}-connect-0"}
    return [
        *(
            Target(
                "clickstream-processor", ports.admin + i, {**which, "instance": f"{names.statefulset}-{i}"}
            )
            for i in range(pods)
        ),
        Target("clickstream-collector", ports.collector_admin, {**which, "instance": f"{names.collector}-0"}),
        *([Target("kafka-connect", ports.connect_metrics, worker)] if cluster else []),
        Target("clickstream-operator", ports.controller_metrics, {"instance": "controller"}),
    ]

"""What Prometheus scrapes of a running pipeline, labelled as the chart's monitors label it in a cluster."""

from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

from clickstream_local.parts.prometheus import Target
from clickstream_local.pipeline.options import Ports


def targets(pipeline: ClickPipeline, ports: Ports, pods: int) -> list[Target]:
    """Return the pods, the Connect worker and the controller. `instance` is what a pod's name would be."""
    which = {"namespace": pipeline.namespace, "pipeline": pipeline.name}
    prefix = names_of(pipeline).statefulset
    worker = {"namespace": pipeline.namespace, "instance": f"{pipeline.spec.connect.cluster}-connect-0"}
    return [
        *(
            Target("clickstream-processor", ports.admin + i, {**which, "instance": f"{prefix}-{i}"})
            for i in range(pods)
        ),
        Target("kafka-connect", ports.connect_metrics, worker),
        Target("clickstream-operator", ports.controller_metrics, {"instance": "controller"}),
    ]

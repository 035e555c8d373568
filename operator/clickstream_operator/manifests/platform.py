"""What the operator's installation decides about the pods of every pipeline."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """Set by the chart; a pipeline's author does not choose these."""

    processor_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    operator_namespace: str = "clickstream"
    # Namespaces whose pods may scrape the admin port.
    metrics_namespaces: tuple[str, ...] = ("monitoring",)
    log_level: str = "INFO"
    collector_image: str = ""  # empty: no collector can be run

"""Whether a pipeline asks for windows other than its state is kept by. Pure.

The API server refuses that; but the definition in the cluster may be older than this operator. What the pods
were told last stands in the ConfigMap: while it says otherwise, nothing is changed.
"""

import json

from clickstream_operator.manifests.names import names_of
from clickstream_operator.manifests.settings import FILE
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.fields import duration_ms


def window_changed(pipeline: ClickPipeline, observed: Observed) -> str:
    """Return what to do about a changed size or advance; empty when they are as before, or not known."""
    settings = observed.child("ConfigMap", names_of(pipeline).settings) or {}
    try:
        window = json.loads(settings["data"][FILE])["processing"]["window"]
        before = _layout(window["size"], window.get("advance"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""  # there is none yet, or somebody broke it: pods refuse other windows themselves
    asked = pipeline.spec.processing.window
    if _layout(asked.size, asked.advance) == before:
        return ""
    return (
        f"processing.window has size {asked.size} and advance {asked.advance or asked.size}, and the state "
        f"is kept by size {window['size']} and advance {window.get('advance') or window['size']}: "
        "set these again. For others make a second pipeline with a name, output topics (topics.enriched, "
        "metrics, deadLetters, profiles) and an index of its own; both run side by side until you delete the "
        "first."
    )


def _layout(size: str, advance: str | None) -> tuple[int, int]:
    return duration_ms(size), duration_ms(advance or size)

"""How a pipeline's volumes grow. Pure: the next step follows from the claims as they are.

A StatefulSet's claim templates cannot change, so 1. each claim is asked to grow, 2. the StatefulSet
is deleted with its pods left running, 3. the next look creates it again with the new template, and it
takes the pods back by their labels. Pods and file systems grow online where the class can.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream_operator.kube.kinds import Document
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.fields import quantity


@dataclass(frozen=True, slots=True)
class Growth:
    """What to do now: claims to patch, or else the StatefulSet to create again."""

    size: str
    claims: tuple[str, ...]
    recreate: bool


def template_size(statefulset: Document) -> str:
    """Return the size of the volume that a new pod gets."""
    template = statefulset["spec"]["volumeClaimTemplates"][0]
    return str(template["spec"]["resources"]["requests"]["storage"])


def must_grow(pipeline: ClickPipeline, statefulset: Document | None) -> bool:
    """Tell whether the spec asks for larger volumes than new pods get."""
    if statefulset is None or not statefulset["spec"].get("volumeClaimTemplates"):
        return False
    return quantity(pipeline.spec.processors.storage.size) > quantity(template_size(statefulset))


def growth(pipeline: ClickPipeline, claims: Mapping[str, Document]) -> Growth:
    """Return the next step; `claims` are those that exist."""
    size = pipeline.spec.processors.storage.size
    small = tuple(
        name
        for name, claim in sorted(claims.items())
        if quantity(claim["spec"]["resources"]["requests"]["storage"]) < quantity(size)
    )
    return Growth(size, small, recreate=not small)

"""One step of taking a pipeline down."""

from dataclasses import dataclass

from clickstream_operator.kube.kinds import Document, Kind, Wanted


@dataclass(frozen=True, slots=True)
class Take:
    """One step. Exactly one of the first three is set, or none: wait."""

    doing: str
    apply: Wanted | None = None
    annotate: tuple[Kind, str, dict[str, str]] | None = None
    delete: tuple[Kind, str] | None = None
    is_done: bool = False
    left: tuple[str, ...] = ()  # what remains, for the Event
    has_dropped: bool | None = None  # the source goes: whether it has dropped its slot

    @property
    def waits(self) -> bool:
        """Tell whether there is nothing to do but wait."""
        return not (self.apply or self.annotate or self.delete or self.is_done)


def removal(kind: Kind, document: Document) -> Take:
    """Delete an object, or wait for it to go."""
    name = document["metadata"]["name"]
    if document["metadata"].get("deletionTimestamp"):
        return Take(f"waiting for {kind.kind} {name} to go")
    return Take(f"removing {kind.kind} {name}", delete=(kind, name))

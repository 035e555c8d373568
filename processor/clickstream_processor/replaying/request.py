"""What a replay is asked to do: the JSON document that CLICKSTREAM_REPLAY_FILE names. Pure."""

import re
from typing import Annotated, Literal

import msgspec
from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.letters import check_set, check_where
from msgspec import Meta

from clickstream_processor.errors import InvalidReplay
from clickstream_processor.topology.records.replayed import MAX_NAME_BYTES

VERSION = 1
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_UID = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One replay. Empty lists and texts, and null, mean: all."""

    version: int
    name: str
    uid: str  # tells two replays of one name apart; part of the group and the transactional id
    reasons: list[str] = []
    from_ms: int | None = None  # record time, inclusive
    to_ms: int | None = None  # exclusive
    sources: list[Annotated[int, Meta(ge=0)]] = []  # partitions of the clicks topic
    limit: Annotated[int, Meta(ge=1)] | None = None  # letters that are sent
    where: str = ""
    set: dict[str, str] = {}
    late: Literal["skip", "enrich"] = "skip"
    dry_run: bool = False


def read_request(document: bytes) -> Request:
    """Return a replay's description, checked. Raises InvalidReplay."""
    try:
        request = msgspec.json.decode(document, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidReplay(f"the replay's description: {error}") from error
    if request.version != VERSION:
        raise InvalidReplay(f"version: {request.version} is not known to this image ({VERSION})")
    if not _NAME.fullmatch(request.name) or len(request.name) > MAX_NAME_BYTES:
        raise InvalidReplay(f"name: {request.name!r:.80} must be lower-case letters, digits, - and .")
    if not _UID.fullmatch(request.uid):
        raise InvalidReplay(f"uid: {request.uid!r:.80} must be letters, digits, ., _ and -, at most 100")
    if request.from_ms is not None and request.to_ms is not None and request.from_ms >= request.to_ms:
        raise InvalidReplay("to_ms: must be later than from_ms; nothing lies between them")
    try:
        check_where(request.where)
        check_set(request.set)
    except InvalidExpression as error:
        raise InvalidReplay(str(error)) from error
    return request

"""Members of an event, checked: ids, texts, objects. Pure.

An SDK of one language sends null where another leaves a member out, so null is absent everywhere.
"""

from typing import Any

from clickstream_collector.mapping.click import MAX_ID_BYTES, Event, Refused

ANONYMOUS = "anon:"  # before an id that stands for a device or a browser, not for a person

_SHORT = MAX_ID_BYTES // 4  # characters that are never more than MAX_ID_BYTES


def identity(value: Any, name: str) -> str | None:
    """Return an id as text; None where there is none. Raises Refused for what can be no record's key."""
    if type(value) is str:
        if len(value) > _SHORT and len(value.encode(errors="replace")) > MAX_ID_BYTES - len(ANONYMOUS):
            raise Refused("oversized", f"{name}: more than {MAX_ID_BYTES - len(ANONYMOUS)} bytes")
        return value or None
    if value is None:
        return None
    if type(value) is int or (type(value) is float and value.is_integer()):
        return identity(str(int(value)), name)
    raise Refused("mistyped-field", f"{name}: expected text")


def person(user: str | None, anonymous: str | None, wanted: str) -> str:
    """Return the click's `user_id`: the user's, else the anonymous one, marked. Raises Refused without."""
    if user is not None:
        return user
    if anonymous is not None:
        return ANONYMOUS + anonymous
    raise Refused("missing-field", wanted)


def text(value: Any, name: str) -> str | None:
    """Return a text; None where there is none. Raises Refused for another type."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    raise Refused("mistyped-field", f"{name}: expected text")


def as_text(value: Any) -> str | None:
    """Return a text or a number as text, and None for anything else: of members nothing depends on."""
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int and abs(value) < 2**64 else None


def required(value: Any, name: str) -> str:
    """Return a text that must be there. Raises Refused."""
    found = text(value, name)
    if found is None:
        raise Refused("missing-field", name)
    return found


def members(value: Any, name: str) -> Event:
    """Return a copy of an object; an empty one where there is none. Raises Refused for another type."""
    if type(value) is dict:
        return value.copy()
    if value is None:
        return {}
    raise Refused("mistyped-field", f"{name}: expected an object")

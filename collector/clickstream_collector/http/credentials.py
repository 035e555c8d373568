"""Where a request has its write key, beside the body. Pure."""

import base64
import binascii
from collections.abc import Mapping

HEADER = "X-Write-Key"
PARAMETERS = ("writeKey", "write_key", "key", "api_key", "api_secret", "token")


def key_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the key in the headers or in the query; None where there is none."""
    if found := headers.get(HEADER):
        return found
    if authorization := headers.get("Authorization"):
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            return _basic_user(value)
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
    if query:
        for name in PARAMETERS:
            if found := query.get(name):
                return found
    return None


def _basic_user(value: str) -> str | None:
    """Return the user of Basic authentication: SDKs send the key as user, and no password."""
    try:
        user, _, _ = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return user or None

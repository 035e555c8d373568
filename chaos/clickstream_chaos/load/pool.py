"""Users for erasures: some come back after each, some leave for good, and a few are never erased.

Each of them visits one page that is nobody else's. A state keeps that page in the user's session alone, so
a file that has the page has something of the user. Ids are in profiles too, which an erasure leaves.
"""

import base64
import hashlib

RETURNING = tuple(f"returning-{number}" for number in range(6))
LEAVING = tuple(f"leaving-{number:02d}" for number in range(40))
STAYING = tuple(f"staying-{number}" for number in range(3))
POOL = (*RETURNING, *LEAVING, *STAYING)


def page(name: str) -> str:
    """Return the page that only this user visits."""
    return f"/only/{_token(name)}"


def needle(name: str) -> bytes:
    """Return the bytes that are in a file with that page.

    Files are compressed by LZ4, which replaces four bytes and more that were there before. No four of these
    bytes are likely to be. The first and the last of a page are left out: with those beside them they may be.
    """
    return _token(name)[4:-4].encode()


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()[:24]).decode()

"""The base of the API's answers: their shapes are what is sent, and what /openapi.json is made of. Pure.

A user's metrics are no such shape (users/local_state.py): the name of their count follows the window.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]


class AnswerPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of an answer: an object with these fields and no other."""

"""A click and a profile as the pods have them: the declared fields as attributes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Click:
    """The declared fields of a click."""

    user_id: str
    page_url: str
    action: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The declared columns of a profile."""

    user_id: str
    name: str | None = None
    email: str | None = None
    country: str | None = None
    plan_tier: str | None = None

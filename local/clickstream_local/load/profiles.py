"""Generated profiles: the same for the same seed, and with alice123 of the README among them."""

import random
from dataclasses import asdict, dataclass

ALICE = "alice123"
_FIRST = (
    "Alice",
    "Bruno",
    "Chloe",
    "Dmitri",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Keiko",
    "Lars",
    "Maya",
    "Noah",
    "Olga",
    "Pablo",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
    "Vera",
)
_LAST = (
    "Smith",
    "Garcia",
    "Mueller",
    "Rossi",
    "Tanaka",
    "Kowalski",
    "Nguyen",
    "Silva",
    "Dubois",
    "Haddad",
    "Okafor",
    "Lindqvist",
    "Novak",
    "Murphy",
    "Jensen",
    "Moreau",
    "Petrov",
    "Costa",
    "Sato",
)
_COUNTRIES = ("USA", "Germany", "France", "Japan", "Brazil", "India", "UK", "Spain", "Canada", "Poland")
_COUNTRY_WEIGHTS = (30, 12, 9, 8, 9, 12, 8, 5, 4, 3)
TIERS = ("free", "basic", "premium")
_TIER_WEIGHTS = (70, 20, 10)


@dataclass(frozen=True, slots=True)
class Profile:
    """One row of public.user_profiles."""

    user_id: str
    name: str
    email: str
    country: str
    plan_tier: str

    def row(self) -> dict[str, str]:
        """Return the columns by name."""
        return asdict(self)


def make_profile(number: int, seed: int = 1) -> Profile:
    """Return the profile of a number; number 0 is Alice Smith, a premium user from the USA."""
    if number == 0:
        return Profile(ALICE, "Alice Smith", "alice@example.com", "USA", "premium")
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 (test data)
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    user_id = f"{first.lower()}{number}"
    return Profile(
        user_id,
        f"{first} {last}",
        f"{user_id}@example.com",
        chance.choices(_COUNTRIES, _COUNTRY_WEIGHTS)[0],
        chance.choices(TIERS, _TIER_WEIGHTS)[0],
    )


def make_profiles(count: int, seed: int = 1) -> list[Profile]:
    """Return the first `count` profiles."""
    return [make_profile(number, seed) for number in range(count)]

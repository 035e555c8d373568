"""One thing that is wrong with a source, and what a pipeline asks of it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    # Profiles would become wrong or stop without a word: a source connector is not made before it is fixed.
    REFUSE = "refuse"
    WARN = "warn"  # it works as far as it goes, and somebody should know


@dataclass(frozen=True, slots=True)
class SourceRequirements:
    """What the pipeline asks of the database."""

    table: str  # as the spec writes it
    schema: str
    name: str
    key: str
    columns: tuple[str, ...]  # that must be there besides the key
    takes_all: bool  # whatever the table has is read
    slot: str
    publication: str
    database: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One. `sql`: run as the table's owner, or a superuser; empty where none fixes it."""

    reason: str
    message: str
    sql: str = ""
    severity: Severity = Severity.REFUSE

    def __str__(self) -> str:
        return f"{self.message}{' Run: ' + self.sql if self.sql else ''}"

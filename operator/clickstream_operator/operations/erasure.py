"""A ClickErasure as its author wrote it, as a value. Pure.

What is wrong is said without a user's id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from clickstream_operator.errors import InvalidSpec, Problem
from clickstream_operator.kube.kinds import ERASURE, Kind
from clickstream_operator.operations.operation import FILE_VERSION, Operation, common_fields
from clickstream_operator.operations.pods.receipt import TOLD, Receipt, read_receipt


@dataclass(frozen=True, slots=True)
class Erasure(Operation):
    """One ClickErasure: of `users`, or of those that a key of a Secret names, one a line."""

    KIND: ClassVar[Kind] = ERASURE
    NOUN: ClassVar[str] = "erasure"
    PROGRAM: ClassVar[str] = "clickstream_processor.erasing"
    BEGINS: ClassVar[str] = "Takes users out of"
    AFTER_FAILURE: ClassVar[str] = "What was deleted stays deleted: a new erasure does all of it once more."
    ASKS_SEARCH: ClassVar[bool] = True
    LAST_LINES: ClassVar[bool] = False  # of a program that works on ids
    TOLD: ClassVar[tuple[str, ...]] = TOLD

    users: tuple[str, ...] = ()
    secret: tuple[str, str] | None = None  # name, key
    dry_run: bool = False

    def file(self) -> dict[str, Any]:
        """Return what the Job's program reads."""
        users = {} if self.secret else {"users": list(self.users)}
        # A program that does not know the field refuses it, and erases nothing.
        dry_run = {"dry_run": True} if self.dry_run else {}
        return {"version": FILE_VERSION, "name": self.name, **users, **dry_run}

    def read(self, answer: Mapping[str, Any]) -> Receipt:
        """Return the receipt of a pod's answer."""
        return read_receipt(answer, dry_run=self.dry_run)

    def needs(self) -> str:
        """Return a sentence about the Secret that its pod waits for."""
        return f" It needs the key {self.secret[1]} of the Secret {self.secret[0]}." if self.secret else ""

    def hidden(self) -> tuple[str, ...]:
        """Return the users that the spec names."""
        return self.users

    @property
    def is_file_secret(self) -> bool:
        """Tell whether the file names users."""
        return self.secret is None

    @property
    def users_secret(self) -> tuple[str, str] | None:
        """Return name and key of the Secret that names the users."""
        return self.secret


def parse_erasure(document: Mapping[str, Any]) -> Erasure:
    """Return the value of a document. Raises InvalidSpec."""
    spec = document["spec"]
    users, secret = spec.get("users") or [], spec.get("usersSecret")
    if bool(users) == bool(secret):
        raise InvalidSpec([Problem("spec", "", "must have either users or usersSecret")])
    return Erasure(
        **common_fields(document),
        users=tuple(map(str, users)),
        secret=(str(secret["name"]), str(secret["key"])) if secret else None,
        dry_run=bool(spec.get("dryRun")),
    )

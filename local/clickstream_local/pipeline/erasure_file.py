"""A ClickErasure in a YAML file, as the JSON that the erasing program reads."""

from pathlib import Path
from typing import Any

import yaml

from clickstream_local.errors import CannotStart

API_VERSION, KIND = "clickstream.dev/v1alpha1", "ClickErasure"
VERSION = 1
_FIELDS = ("pipeline", "users", "dryRun")


def load_erasure(file: Path, pipeline: str) -> dict[str, Any]:
    """Return the description of an erasure in this pipeline. Raises CannotStart with all that is wrong.

    The message names no user.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise CannotStart(f"{file} is not YAML") from error
    if not isinstance(document, dict):
        raise CannotStart(f"{file} is no erasure: the file must hold one object")
    problems = [
        f"{field}: must be {wanted}, not {document.get(field)!r}"
        for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND))
        if document.get(field) != wanted
    ]
    metadata, spec = document.get("metadata"), document.get("spec")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        problems.append("metadata.name: must be a text")
    if not isinstance(spec, dict):
        problems.append("spec: must be an object with `pipeline` and `users`")
        spec = {}
    elif spec.get("pipeline") != pipeline:
        problems.append(f"spec.pipeline: must be {pipeline}, which runs here, not {spec.get('pipeline')!r}")
    users = spec.get("users")
    if not isinstance(users, list) or not users or not all(isinstance(user, str) and user for user in users):
        problems.append("spec.users: must be a list of user ids as text: put numbers in quotes")
    dry_run = spec.get("dryRun", False)
    if not isinstance(dry_run, bool):
        problems.append("spec.dryRun: must be true or false")
    known = ", ".join(_FIELDS)
    problems += [
        f"spec.{field}: there is no such field; there are {known}" for field in spec if field not in _FIELDS
    ]
    if problems:
        raise CannotStart("\n".join([f"{file} is no erasure:", *(f"  {problem}" for problem in problems)]))
    return {"version": VERSION, "name": name, "users": users, "dry_run": dry_run}

"""What the collector's OpenAPI document says of an answer."""

import re
from email.message import Message
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from collector_support.running import Answer

JSON = dict[str, Any]
_ABSOLUTE = re.compile("^http://[^/]+")  # a target may be a whole URL (RFC 9112, 3.2.2)
PROBLEM = "application/problem+json"


class Described:
    """An OpenAPI document; `wrong_with` holds answers against it."""

    def __init__(self, document: JSON) -> None:
        self.document = document

    @cached_property
    def operations(self) -> set[tuple[str, str]]:
        """Return method and path of each operation."""
        return {
            (method.upper(), path)
            for path, item in self.document["paths"].items()
            for method in item
            if method not in ("parameters", "servers")
        }

    def wrong_with(self, method: str, target: str, answer: Answer) -> str | None:
        """Return what an answer has that the document does not say of it; None where it is as described."""
        kind = _media_type(answer)
        if answer.status >= 500 and answer.status != 503:
            return f"a failure of the collector's own: {answer.status}"
        path = self._path(unquote(_ABSOLUTE.sub("", target.partition("?")[0])))
        if path is None or (method, path) not in self.operations:
            if answer.status in (400, 417) and kind == "text/plain":
                return None  # before a path is looked for
            wanted = 404 if path is None else 405
            return (
                None
                if (answer.status, kind) == (wanted, PROBLEM)
                else f"{answer.status} {kind}, not {wanted}"
            )
        responses = self.document["paths"][path][method.lower()]["responses"]
        if str(answer.status) not in responses:
            return f"{answer.status} is not described"
        response = responses[str(answer.status)]
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        kinds = response.get("content", {})
        if answer.body and kind not in kinds:
            return f"{answer.status} with {kind} is not described"
        if kind == PROBLEM and answer.json["type"] not in self._problems:
            return f"{answer.json['type']} is not described"
        return None

    @property
    def _problems(self) -> list[str]:
        found: list[str] = self.document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
        return found

    def _path(self, target: str) -> str | None:
        parts = target.split("/")
        for path in self.document["paths"]:
            wanted = path.split("/")
            if len(wanted) == len(parts) and all(
                each == part or (each == "{key}" and part) for each, part in zip(wanted, parts, strict=True)
            ):
                return str(path)
        return None


def _media_type(answer: Answer) -> str:
    message = Message()
    message["Content-Type"] = answer.headers.get("Content-Type", "")
    return message.get_content_type() if answer.headers.get("Content-Type") else ""

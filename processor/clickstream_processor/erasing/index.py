"""The users' documents in the search index: counted, and deleted by query, in all daily indices."""

import base64
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from clickstream_processor.errors import ErasureFailed
from clickstream_processor.settings.settings import Search, Settings

TRY_S = 120.0
AT_ONCE = 500  # users of a query
_OPTIONS = "ignore_unavailable=true&allow_no_indices=true&expand_wildcards=open"


class Documents:
    """The index of one pipeline. Its methods raise ErasureFailed."""

    def __init__(self, settings: Settings, search: Search) -> None:
        self._settings, self._search = settings, search
        # Without those of an index whose name goes on with a hyphen.
        self._path = f"{search.url.rstrip('/')}/{search.index}-*,-{search.index}-*-*"

    def count(self, users: Sequence[str]) -> int:
        """Return how many documents the users have, those included that no search shows yet."""
        self._call(f"{self._path}/_refresh?{_OPTIONS}", None)
        return sum(
            self._call(f"{self._path}/_count?{_OPTIONS}", _query(part))["count"] for part in _parts(users)
        )

    def delete(self, users: Sequence[str]) -> None:
        """Delete them."""
        for part in _parts(users):
            options = f"conflicts=proceed&refresh=true&{_OPTIONS}"
            answer = self._call(f"{self._path}/_delete_by_query?{options}", _query(part))
            if answer.get("failures"):
                raise ErasureFailed(f"the search engine could not delete {len(answer['failures'])} documents")

    def _call(self, url: str, body: object) -> Any:
        data = b"" if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", **self._authorization()}
        request = urllib.request.Request(url, data=data, headers=headers, method="POST")  # noqa: S310 # a checked URL
        try:
            with urllib.request.urlopen(request, timeout=TRY_S, context=self._trust()) as answer:  # noqa: S310
                return msgspec.json.decode(answer.read())
        except urllib.error.HTTPError as error:
            raise ErasureFailed(f"the search engine answers with status {error.code}") from error
        except (OSError, msgspec.DecodeError) as error:
            raise ErasureFailed(f"the search engine does not answer ({type(error).__name__})") from error

    def _authorization(self) -> dict[str, str]:
        settings, search = self._settings, self._search
        if search.api_key_secret:
            return {"Authorization": f"ApiKey {_text(settings.secret_path(search.api_key_secret, 'apiKey'))}"}
        if search.credentials_secret:
            names = (
                _text(settings.secret_path(search.credentials_secret, name))
                for name in ("username", "password")
            )
            return {"Authorization": f"Basic {base64.b64encode(':'.join(names).encode()).decode()}"}
        return {}

    def _trust(self) -> ssl.SSLContext | None:
        search = self._search
        if not search.url.startswith("https:"):
            return None
        ca = self._settings.secret_path(search.tls.ca_secret, "ca.crt") if search.tls else None
        try:
            return ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise ErasureFailed(f"the search engine's certificates cannot be read: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ErasureFailed(f"a Secret of the search engine cannot be read: {error}") from error


def _parts(users: Sequence[str]) -> list[Sequence[str]]:
    return [users[at : at + AT_ONCE] for at in range(0, len(users), AT_ONCE)]


def _query(users: Sequence[str]) -> dict[str, Any]:
    return {"query": {"terms": {"user_id": list(users)}}}

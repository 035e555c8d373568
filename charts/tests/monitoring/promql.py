"""PromQL from outside: what an expression selects, and what a running Prometheus answers to it."""

import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

_WORDS = {
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
}
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_MATCHERS = re.compile(r"\{[^}]*\}")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_SELECTOR = re.compile(r"\b([a-z_:][a-zA-Z0-9_:]*)\b(?!\s*\()(\{[^}]*\})?")


def selectors(expression: str) -> set[str]:
    """Return the instant selectors of an expression: `metric{matchers}`, without ranges and offsets."""
    plain = _RANGE.sub("", _GROUPING.sub("", expression))
    found = {name + matchers for name, matchers in _SELECTOR.findall(plain) if name not in _WORDS}
    inside = {word for matchers in _MATCHERS.findall(plain) for word in re.findall(r"\w+", matchers)}
    return {each for each in found if each not in inside}


def names_of(selector: str) -> tuple[str, set[str]]:
    """Return a selector's metric and the names of the labels it matches."""
    metric, _, matchers = selector.partition("{")
    return metric, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))


def chosen(expression: str, rate_interval: str) -> str:
    """Return a panel's expression as Grafana sends it with everything chosen."""
    return (
        expression.replace("$__rate_interval", rate_interval).replace("$job", ".+").replace("$instance", ".+")
    )


@dataclass(frozen=True)
class Answers:
    """The HTTP interface of one Prometheus."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer. Raises AssertionError with what Prometheus says against a query."""
        query = urllib.parse.urlencode(
            {name.replace("match", "match[]"): v for name, v in parameters.items()}
        )
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {json.load(error)['error']}") from error

    def series(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of the series that an expression gives now; those without a number left out."""
        found = self.ask("query", query=expression)["result"]
        return [each["metric"] for each in found if not math.isnan(float(each["value"][1]))]

    def assert_data(self, expression: str, deadline_s: float) -> None:
        """Wait until the expression and each of its selectors give something."""
        for part in (*sorted(selectors(expression)), expression):
            while not self.series(part):
                assert time.monotonic() < deadline_s, f"nothing is given by {part}"
                time.sleep(0.5)

    def assert_exported(self, selector: str, deadline_s: float) -> None:
        """Wait until there is a series of the selector's metric that has all the labels it matches."""
        metric, labels = names_of(selector)
        present = "{" + ", ".join(f'{label}!=""' for label in sorted(labels)) + "}"
        self.assert_data(metric + present, deadline_s)

    def values(self, variable: str) -> list[str]:
        """Return the values that a dashboard's `label_values(selector, label)` finds."""
        parts = re.fullmatch(r"label_values\((.+), (\w+)\)", variable)
        assert parts, variable
        return list(self.ask(f"label/{parts[2]}/values", match=chosen(parts[1], "1m")))

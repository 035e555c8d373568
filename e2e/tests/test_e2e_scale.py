"""Pods are added and taken away under load."""

from typing import Any

from clickstream_e2e.storefront import Storefront


def test_scaling_up_and_down_loses_nothing_and_answers_all_the_while(storefront: Storefront) -> None:
    with storefront.traffic(rate=100) as account:
        storefront.patch({"processors": {"replicas": 4}})
        storefront.until_pods(4)
        storefront.until("Ready", "True")
        storefront.patch({"processors": {"replicas": 2}})
        storefront.until_pods(2)
        storefront.until("Ready", "True")
    storefront.check()
    assert available(account) >= 0.999, account


def available(account: dict[str, Any]) -> float:
    """Return the share of queries that got an answer about the user."""
    answers = account["answers"]
    return float((answers.get("200", 0) + answers.get("404", 0)) / sum(answers.values()))

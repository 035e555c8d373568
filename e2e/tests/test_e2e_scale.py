"""Pods are added and taken away under load."""

from typing import Any

from clickstream_e2e.storefront import Storefront

TIMES = 3  # one time has some 800 queries, too few to tell 99.9 % from all


def test_scaling_up_and_down_loses_nothing_and_answers_all_the_while(storefront: Storefront) -> None:
    with storefront.traffic(rate=100) as account:
        for pods in (4, 2) * TIMES:
            storefront.patch({"processors": {"replicas": pods}})
            storefront.until_pods(pods)
            storefront.until("Ready", "True")
    storefront.check()
    assert available(account) >= 0.999, account


def available(account: dict[str, Any]) -> float:
    """Return the share of queries that got an answer about the user."""
    answers = account["answers"]
    return float((answers.get("200", 0) + answers.get("404", 0)) / sum(answers.values()))

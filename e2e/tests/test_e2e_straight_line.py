"""Rows changed in PostgreSQL and clicks are enriched, counted, searchable, and answered by any pod."""

from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE, sql
from clickstream_e2e.storefront import PARTITIONS, Storefront

CLICKS = 15
ROW = "('alice123', 'Alice', 'alice@example.com', 'USA', 'free') ON CONFLICT DO NOTHING"


def test_the_answer_joins_the_changed_row_with_the_clicks(storefront: Storefront) -> None:
    sql(storefront.kube, f"INSERT INTO public.user_profiles VALUES {ROW}")  # noqa: S608
    eventually("the new row is known", lambda: storefront.metrics("alice123")[0]["status"] == 200)
    change = "UPDATE public.user_profiles SET name = 'Alice Smith', plan_tier = 'premium'"
    sql(storefront.kube, f"{change} WHERE user_id = 'alice123'")
    eventually(
        "the changed row is known",
        lambda: storefront.metrics("alice123")[0]["body"]["user_name"] == "Alice Smith",
    )
    before = storefront.metrics("alice123")[0]["body"]["clicks_last_5min"]
    storefront.send("alice123", CLICKS)
    expected = {
        "user_id": "alice123",
        "user_name": "Alice Smith",
        "clicks_last_5min": before + CLICKS,
        "country": "USA",
        "plan_tier": "premium",
    }
    eventually("the clicks are counted", lambda: storefront.metrics("alice123")[0]["body"] == expected)


def test_every_pod_answers_for_every_user(storefront: Storefront) -> None:
    for pod in storefront.pods():
        url = f"http://{pod['status']['podIP']}:8080"
        answer = storefront.metrics("alice123", url=url)[0]
        assert answer["status"] == 200
        assert answer["body"]["user_name"] == "Alice Smith"


def test_the_clicks_are_searchable_with_the_rows_columns(storefront: Storefront) -> None:
    query = "user_id:alice123%20AND%20plan_tier:premium"
    eventually("the clicks are in the index", lambda: storefront.search(query) >= CLICKS)


def test_each_click_is_there_exactly_once(storefront: Storefront) -> None:
    before = storefront.search("*")
    with storefront.traffic(rate=200) as account:
        eventually("a thousand clicks are in the index", lambda: storefront.search("*") > before + 1_000)
    verdict = storefront.check()
    assert account["unsent"] == 0
    assert verdict["clicks"] >= account["sent"] > 1_000
    assert set(account["answers"]) <= {"200", "404"}, account


def test_the_topics_are_made_as_the_pipeline_says(storefront: Storefront) -> None:
    topics = storefront.kube.names("kafkatopics", NAMESPACE)
    assert {"shop.storefront-changelog", "shop.storefront-assignment", "user-clicks"} <= topics
    assert storefront.kube.get("kafkatopic", "user-clicks", NAMESPACE)["spec"]["partitions"] == PARTITIONS

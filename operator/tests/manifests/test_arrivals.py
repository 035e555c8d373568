"""A pipeline that takes any partitioner has one topic and one stage more; any other has neither."""

from clickstream_operator.assignment.options import options_from
from clickstream_operator.assignment.tasks import moves_clicks, stages_in, task_names, tasks_of
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.manifests.topics import DAY_MS, topic_specs
from clickstream_operator.spec.clickpipeline import parse
from operator_support.documents import changed

ANY = parse(changed({"topics.partitioner": "any", "topics.retention": "3d"}))
USUAL = parse(changed({"topics.retention": "3d"}))
NAME = "shop.storefront-arrivals"


def test_the_topic_keeps_clicks_at_their_own_time_and_for_longer_than_where_they_arrived() -> None:
    (topic,) = [topic for topic in topic_specs(ANY) if topic.name == NAME]
    assert (topic.partitions, topic.internal) == (12, True)
    assert topic.config["retention.ms"] == str(10 * DAY_MS)
    assert topic.config["retention.bytes"] == "-1"
    assert topic.config["message.timestamp.type"] == "CreateTime"
    assert topic.config["cleanup.policy"] == "delete"
    assert [topic for topic in topic_specs(ANY) if topic.name != NAME] == topic_specs(USUAL)


def test_the_stage_comes_before_the_clicks() -> None:
    assert tasks_of(ANY) == task_names(12, ("arrivals", "clicks"))
    assert tasks_of(USUAL) == task_names(12, ("clicks",))
    for pipeline in (ANY, USUAL):
        document = settings_document(pipeline)
        assert task_names(12, stages_in(document)) == tasks_of(pipeline)
        assert options_from(document, lambda *_: "").policy.tasks == tasks_of(pipeline)
    # The version before knows documents of version 1, and would read another topic from the same position.
    assert [settings_document(each)["settingsVersion"] for each in (USUAL, ANY)] == [1, 2]
    assert not moves_clicks({"topics": {"partitions": 12}})  # of an older version

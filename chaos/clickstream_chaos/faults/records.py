"""Records that people's producers really send, in the middle of the load."""

from clickstream_chaos.faults.registry import fault
from clickstream_chaos.load.odd import KINDS
from clickstream_chaos.load.sender import OddSender
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import NotInTime, eventually

PATIENCE_S = 120


@fault("odd-record", 4)
def odd_record(suite: Suite) -> None:
    """Send a few odd records, or many; each must come out, and no pod may end for it."""
    pipeline = suite.pipeline
    before = {ordinal: pipeline.pod(ordinal).pid for ordinal in pipeline.running()}
    sender = OddSender(suite.kafka.bootstrap, pipeline.topic("clicks"), pipeline.shape.partitions)
    sent = []
    for _ in range(suite.chance.choice((1, 3, 10, 40))):
        name = suite.chance.choice(sorted(KINDS))
        if sender.send(suite.chance, name, suite.load.event_ms()):
            sent.append(name)
    suite.say(f"  {', '.join(sent)}")

    def all_out() -> bool:
        suite.checker.check()
        return not suite.checker.odd_open()

    try:
        eventually("every odd record has come out", all_out, PATIENCE_S)
    except NotInTime as error:
        raise NotInTime(f"{error}: {', '.join(suite.checker.odd_open()[:5])}") from error
    after = {ordinal: pipeline.pod(ordinal).pid for ordinal in pipeline.running()}
    if after != before:
        raise NotInTime(f"pods ended for one of {', '.join(sent)}: {before} before, {after} after")

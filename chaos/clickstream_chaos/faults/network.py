"""One pod's way to the brokers: cut, or with a message lost or late."""

import time

from clickstream_chaos.faults.registry import PROXY, fault
from clickstream_chaos.proxy.proxy import Proxy
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import NotInTime, eventually


@fault("cut", 2, needs=PROXY, stalls=False)
def cut_off(suite: Suite) -> None:
    """Cut one pod off from the brokers, long enough for its tasks to be given away or not."""
    proxy = _proxy(suite)
    proxy.cut()
    time.sleep(suite.chance.choice((1.0, 6.0, 20.0)))
    proxy.mend()


@fault("commit-reply", 1, needs=PROXY, stalls=False)
def lost_commit_reply(suite: Suite) -> None:
    """Let a commit succeed and its answer never arrive: its outcome is unknown to the pod (R4, R7)."""
    proxy = _proxy(suite)
    proxy.lose_commit_replies()
    time.sleep(suite.chance.choice((2.0, 40.0)))
    proxy.mend()


@fault("late-commit", 2, needs=PROXY)
def late_commit(suite: Suite) -> None:
    """Hold a commit, break its connection, and deliver it in the middle of the next transaction (R18)."""
    trap = _proxy(suite).set_trap(suite.pipeline.topic("enriched"))
    eventually("the held commit is delivered", lambda: trap.delivered.is_set() or not suite.owns(0), 60)


def _proxy(suite: Suite) -> Proxy:
    """Return pod 0's way to the broker, once the pod owns something."""
    if 0 not in suite.proxies:
        raise NotInTime("this fault needs a pod behind a proxy")
    eventually("pod 0 owns tasks", lambda: suite.owns(0), 60)
    return suite.proxies[0]

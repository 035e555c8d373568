"""Snowplow's SDK for Python."""

# docs
from snowplow_tracker import Emitter, PageView, SelfDescribing, SelfDescribingJson, Subject, Tracker

tracker = Tracker("shop", Emitter("collect.example.com", protocol="https", batch_size=1), app_id="wk-4f1c")
# end

import threading

from driver import PAGE, PROPS, drive


def send(event: PageView | SelfDescribing) -> None:
    """Track beside the loop: the SDK sends in the caller's thread, and tries again there."""
    threading.Thread(target=tracker.track, args=(event,), daemon=True).start()


def track(user: str, name: str, at_ms: int) -> None:
    """Track an event of one's own."""
    what = SelfDescribingJson(f"iglu:com.example/{name}/jsonschema/1-0-0", PROPS)
    send(SelfDescribing(what, event_subject=Subject().set_user_id(user), true_timestamp=at_ms))


drive(
    identify=lambda *_: None,
    page=lambda user: send(PageView(page_url=PAGE, event_subject=Subject().set_user_id(user))),
    track=track,
    flush=lambda: None,
)

"""Segment's SDK for Python."""

# docs
import segment.analytics as analytics

analytics.write_key, analytics.host = "wk-4f1c", "https://collect.example.com"
# end

from driver import PAGE, PROPS, drive, moment

CONTEXT = {"page": {"url": PAGE}}
drive(
    identify=lambda user, anonymous: analytics.identify(
        user, {"plan": "pro"}, anonymous_id=anonymous, context=CONTEXT
    ),
    page=lambda user: analytics.page(user, name="Shop", context=CONTEXT),
    track=lambda user, name, at: analytics.track(user, name, PROPS, context=CONTEXT, timestamp=moment(at)),
    flush=lambda: None,  # it sends by itself
)

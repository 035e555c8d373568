"""PostHog's SDK for Python."""

# docs
from posthog import Posthog

posthog = Posthog("wk-4f1c", host="https://collect.example.com")
# end

from driver import PAGE, PROPS, drive, moment

drive(
    identify=lambda user, _: posthog.set(distinct_id=user, properties={"plan": "pro"}),
    page=lambda user: posthog.capture("$pageview", distinct_id=user, properties={"$current_url": PAGE}),
    track=lambda user, name, at: posthog.capture(
        name, distinct_id=user, properties={**PROPS, "$current_url": PAGE}, timestamp=moment(at)
    ),
    flush=lambda: None,  # it sends by itself
)

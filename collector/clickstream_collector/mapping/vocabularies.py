"""All vocabularies, in the order of the documentation. Pure."""

from clickstream_collector.mapping import amplitude, mixpanel, own, posthog, rudderstack, segment, snowplow

ALL = (
    own.VOCABULARY,
    segment.VOCABULARY,
    rudderstack.VOCABULARY,
    posthog.VOCABULARY,
    snowplow.VOCABULARY,
    amplitude.VOCABULARY,
    mixpanel.VOCABULARY,
)

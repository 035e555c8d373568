"""The SDKs of the tests: what their calls become, and what they send again by their own rules."""

from dataclasses import dataclass

_SPEC = ("identify", "page Shop", "add_to_cart")
_JITSU = ("identify", "page", "add_to_cart")
_AMPLITUDE = ("$identify", "[Amplitude] Page Viewed", "add_to_cart")
_SNOWPLOW = ("page_view", "add_to_cart")


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK. `actions`: of the clicks of identify, page and track, in order."""

    home: str  # node, python, browser
    name: str
    source: str
    actions: tuple[str, ...]
    pair: bool = False  # identify ties two ids together
    session: bool = False
    takes_time: bool = True  # a call may say when it happened
    true_time: bool = False  # a time that the call gives is true whatever the clock says
    has_id: bool = True
    keeps_sent_at: bool = False  # a batch that goes out again has the time of its first try
    pages: tuple[str, ...] | None = None  # actions that have an address; None: all but identify
    again_after: frozenset[str] = frozenset()  # "503", "429", "away"
    needs_another: bool = False  # what failed goes out with the next event

    @property
    def has_sent_at(self) -> bool:
        """Tell whether its requests say what its clock says."""
        return self.source not in ("amplitude", "mixpanel")

    def __str__(self) -> str:
        return f"{self.home}-{self.name}"


ALWAYS = frozenset({"503", "429", "away"})
ANSWERED = frozenset({"503", "429"})
_PAGED = ("page_view",)

SDKS = (
    Sdk("node", "segment", "segment", _SPEC, pair=True, again_after=ALWAYS),
    Sdk("node", "rudderstack", "rudderstack", _SPEC, pair=True, keeps_sent_at=True, again_after=ANSWERED),
    Sdk(
        "node", "posthog", "posthog", ("$identify", "$pageview", "add_to_cart"),
        keeps_sent_at=True, again_after=ALWAYS, needs_another=True,
    ),
    Sdk(
        "node", "snowplow", "snowplow", _SNOWPLOW,
        true_time=True, pages=_PAGED, again_after=ALWAYS, needs_another=True,
    ),
    Sdk("node", "amplitude", "amplitude", _AMPLITUDE, pair=True),
    Sdk("node", "mixpanel", "mixpanel", ("$mp_web_page_view", "add_to_cart"), has_id=False),
    Sdk("node", "jitsu", "segment", _JITSU, pair=True, takes_time=False),
    Sdk("python", "segment", "segment", _SPEC, pair=True, again_after=ALWAYS),
    Sdk("python", "posthog", "posthog", ("$set", "$pageview", "add_to_cart"), again_after=ANSWERED),
    Sdk("python", "snowplow", "snowplow", _SNOWPLOW, true_time=True, pages=_PAGED, again_after=ALWAYS),
    Sdk("browser", "segment", "segment", _SPEC, pair=True, again_after=ALWAYS),
    Sdk(
        "browser", "rudderstack", "rudderstack", _SPEC,
        pair=True, session=True, takes_time=False, again_after=ALWAYS,
    ),
    Sdk(
        "browser", "posthog", "posthog", ("$identify", "$pageview", "add_to_cart"),
        pair=True, session=True, again_after=frozenset({"503", "away"}),
    ),
    Sdk(
        "browser", "snowplow", "snowplow", _SNOWPLOW,
        true_time=True, session=True, again_after=ALWAYS, needs_another=True,
    ),
    Sdk("browser", "amplitude", "amplitude", _AMPLITUDE, pair=True, session=True, again_after=ALWAYS),
    Sdk(
        "browser", "mixpanel", "mixpanel", ("$identify", "$mp_web_page_view", "add_to_cart"),
        pair=True, again_after=ANSWERED,
    ),
    Sdk("browser", "jitsu", "segment", _JITSU, pair=True, takes_time=False),
)  # fmt: skip

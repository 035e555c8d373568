"""User agents: which are bots, and which are a server's library and say nothing of the visitor. Pure."""

import re
from functools import lru_cache

from crawlerdetect import CrawlerDetect

MAX_CHARS = 512  # of a user agent; patterns over a header of many KiB take long

# Not okhttp, which is Android's, nor posthog-ios: there the sender is the visitor.
_SERVERS = re.compile(
    r"(?:(?:analytics|posthog|rudder|mixpanel|amplitude)-(?:node|python|ruby|go|php|java|dotnet|net)|snowplow|node|"
    r"undici|axios|python|go-http-client|curl)[\w.-]*(?:/|$)",
    re.IGNORECASE,
)
_detector = CrawlerDetect()


@lru_cache(maxsize=4_096)
def is_bot(agent: str) -> bool:
    """Tell whether a user agent is that of a crawler or of a monitor."""
    return bool(_detector.is_crawler(agent[:MAX_CHARS]))


@lru_cache(maxsize=4_096)
def is_server(agent: str) -> bool:
    """Tell whether a request comes from a library on a server: address and agent are not the visitor's."""
    return _SERVERS.match(agent) is not None

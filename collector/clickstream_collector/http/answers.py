"""Answers of success, each as its SDK expects it."""

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from clickstream_collector.http.problems import malformed
from clickstream_collector.http.routes import Answer
from clickstream_collector.intake import Taken

# The smallest transparent GIF.
PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def _headers(kind: str) -> CIMultiDict[str]:
    return CIMultiDict({"Content-Type": kind, "Cache-Control": "no-store", "Server": "clickstream"})


_JSON, _TEXT, _GIF = map(_headers, ("application/json", "text/plain", "image/gif"))
_MOST_REFUSED = 100  # refusals that an answer lists; the dead letters have all

_encode = msgspec.json.encode


def success(answer: Answer, taken: Taken, *, verbose: bool, is_batch: bool) -> web.Response:
    """Return the answer for what Kafka has. Raises Problem 400 for a click of our own that is none."""
    if answer is Answer.CLICKS:
        return _told(taken, is_batch)
    match answer:
        case Answer.SUCCESS:
            return web.Response(body=b'{"success":true}', headers=_JSON)
        case Answer.STATUS:
            return web.Response(body=b'{"status":1}', headers=_JSON)
        case Answer.TEXT:
            return web.Response(body=b"ok", headers=_TEXT)
        case Answer.CODE:
            return web.Response(body=b'{"code":200,"events_ingested":%d}' % len(taken.clicks), headers=_JSON)
        case Answer.ONE:
            return web.Response(body=b'{"status":1}' if verbose else b"1", headers=_JSON)
    return web.Response(body=PIXEL, headers=_GIF)


def _told(taken: Taken, is_batch: bool) -> web.Response:
    if not taken.refused:
        body = b'{"accepted":%d,"refused":[]}' % (len(taken.clicks) + taken.bots)
        return web.Response(body=body, headers=_JSON)
    refused = [
        {"index": place, "reason": why.reason, "detail": why.detail}
        for place, why in taken.refused[:_MOST_REFUSED]
    ]
    if not is_batch:
        raise malformed(f"{refused[0]['reason']}: {refused[0]['detail']}", refused=refused)
    told = {"accepted": len(taken.clicks) + taken.bots, "refused": refused}
    if len(taken.refused) > _MOST_REFUSED:
        told["refused_in_all"] = len(taken.refused)
    return web.Response(body=_encode(told), headers=_JSON)

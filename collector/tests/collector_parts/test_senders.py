"""Who sends: write keys, rates, addresses, user agents."""

from pathlib import Path

import pytest
from clickstream_collector.errors import KeysUnreadable
from clickstream_collector.http.credentials import key_of
from clickstream_collector.mapping.click import Click
from clickstream_collector.sender.addresses import client_address, networks, truncated
from clickstream_collector.sender.agents import is_bot, is_server
from clickstream_collector.sender.key_lines import WrongKeyLine, key_lines
from clickstream_collector.sender.keys import WriteKeys
from clickstream_collector.sender.privacy import Privacy, Sender
from clickstream_collector.sender.rates import BURST_S, TokenBucket

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_lines_of_keys_have_origins_and_a_rate() -> None:
    first, second = key_lines(
        "# shop\nwk1 origin=https://a.example origin=http://b.example:8080 rate=500\n\nwk2\n"
    )
    assert first.key == "wk1"
    assert first.origins == {"https://a.example", "http://b.example:8080"}
    assert first.rate == 500
    assert (second.key, second.origins, second.rate) == ("wk2", frozenset(), None)


@pytest.mark.parametrize(
    "line",
    ["wk-secret rat=5", "wk-secret rate=0", "wk-secret rate=x", "wk-secret origin=https://a.example/x"],
)
def test_wrong_line_is_named_by_its_number_and_never_by_its_key(line: str) -> None:
    with pytest.raises(WrongKeyLine, match="line 2") as wrong:
        key_lines(f"wk1\n{line}")
    assert "wk-secret" not in str(wrong.value)


def test_keys_are_read_again_when_their_file_changes(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "keys"
    file.write_text("old")
    keys = WriteKeys(file, clock)
    assert keys.find("old") is not None
    assert keys.find("ol") is None
    file.write_text("newer")
    clock.now_s += 2
    assert (keys.find("old"), keys.find("newer") is not None) == (None, True)


@pytest.mark.parametrize(
    "content", [None, b"\xff\xfe", b"wk nonsense=1"], ids=["gone", "no text", "wrong line"]
)
def test_nobody_is_let_in_while_the_file_cannot_be_read(
    tmp_path: Path, clock: Clock, content: bytes | None
) -> None:
    file = tmp_path / "keys"
    file.write_text("wk")
    keys = WriteKeys(file, clock)
    keys.check()
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    clock.now_s += 2
    with pytest.raises(KeysUnreadable):
        keys.find("wk")
    file.write_text("wk")
    clock.now_s += 2
    assert keys.find("wk") is not None


def test_a_key_keeps_its_bucket_when_another_line_changes(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "keys"
    file.write_text("wk rate=1")
    keys = WriteKeys(file, clock)
    before = keys.find("wk")
    file.write_text("wk rate=1\nother")
    clock.now_s += 2
    assert keys.find("wk") is before


def test_origins_of_a_key_bind_pages_only(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("wk origin=https://shop.example")
    keys = WriteKeys(file)
    key = keys.find("wk")
    assert key is not None
    assert [
        key.admits(origin) for origin in ("https://SHOP.example", None, "null", "https://evil.example")
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert keys.admits_origin("https://shop.example")
    assert not keys.admits_origin("https://evil.example")


def test_bucket_takes_a_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(int(10 * BURST_S), 0.0) == 0
    assert bucket.take(1, 0.0) == 1
    assert bucket.take(1, 0.5) == 0


def test_batch_larger_than_the_bucket_is_taken_and_owed() -> None:
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(120, 0.0) == 0
    assert bucket.take(1, 0.0) == 10
    assert bucket.take(1, 10.5) == 0


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({"X-Write-Key": "wk"}, {}, "wk"),
        ({"Authorization": "Basic d2s6"}, {}, "wk"),
        ({"Authorization": "Bearer wk"}, {}, "wk"),
        ({}, {"writeKey": "wk"}, "wk"),
        ({}, {"api_secret": "wk"}, "wk"),
        ({"Authorization": "Basic !!"}, {}, None),
        ({}, {}, None),
    ],
)
def test_key_is_found_where_sdks_put_it(
    headers: dict[str, str], query: dict[str, str], key: str | None
) -> None:
    assert key_of(headers, query) == key


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
    ],
    ids=["no proxy of ours", "forged on the left", "two proxies", "nothing said", "nonsense", "mapped"],
)
def test_client_is_the_nearest_that_is_no_proxy_of_ours(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, networks("10.0.0.0/8")) == client


def test_without_trusted_proxies_the_header_is_not_believed() -> None:
    assert client_address("203.0.113.9", "1.2.3.4", ()) == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", None),
    ],
)
def test_address_is_shortened(address: str, kept: str | None) -> None:
    assert truncated(address) == kept


@pytest.mark.parametrize(
    "agent",
    ["analytics-node-next/latest", "analytics-python/2.4", "posthog-node/5", "posthog-python/7", "node"],
)
def test_libraries_on_servers_say_nothing_of_the_visitor(agent: str) -> None:
    assert is_server(agent)
    assert not is_server(CHROME)


def click(**more: str) -> Click:
    return Click("a", "/", "view", 1, "clicks", 1, **more)  # type: ignore[arg-type]


def test_visitor_is_kept_as_chosen() -> None:
    sender = Sender("203.0.113.77", CHROME)
    kept, dropped = click(), click(ip="198.51.100.7", user_agent=CHROME)
    assert Privacy().apply(kept, sender)
    assert (kept.ip, kept.user_agent, kept.bot) == ("203.0.113.0", CHROME, False)
    assert Privacy(keep_ip=False, keep_agent=False).apply(dropped, sender)
    assert (dropped.ip, dropped.user_agent) == (None, None)


def test_what_the_event_says_of_the_visitor_goes_before_the_request() -> None:
    found = click(ip="198.51.100.7", user_agent=CHROME)
    Privacy().apply(found, Sender("203.0.113.77", "posthog-node/5.70.0"))
    assert (found.ip, found.user_agent) == ("198.51.100.0", CHROME)


def test_a_server_is_no_visitor_and_no_bot() -> None:
    found = click()
    assert Privacy(drop_bots=True).apply(found, Sender("203.0.113.77", "python-requests/2.34"))
    assert (found.ip, found.user_agent, found.bot) == (None, None, False)


def test_bots_are_flagged_or_dropped() -> None:
    assert is_bot(GOOGLE)
    flagged = click()
    assert Privacy().apply(flagged, Sender(None, GOOGLE))
    assert flagged.bot
    assert not Privacy(drop_bots=True).apply(click(), Sender(None, GOOGLE))

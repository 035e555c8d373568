"""The page of dead letters in a real Chromium, on letters in a real Kafka: by mouse, by keys, on a phone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.browser import PATIENCE_MS, PHONE, Tab, tab
from clickstream_local.testing.fixtures import Topics
from playwright.async_api import Locator, expect
from processor_support.queries.letter_box import MINUTE, TOTAL, LetterBox, fill, pod_headers, reading
from processor_support.queries.product_page import focus_by_tab, serious_findings
from processor_support.queries.query_pods import Cluster

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

SHOWN = 20  # letters in a page


@pytest.fixture
def box(kafka: Kafka, topics: Topics, tmp_path: Path) -> LetterBox:
    return LetterBox(kafka, topics, tmp_path)


@pytest.fixture
async def filled(box: LetterBox) -> AsyncIterator[Cluster]:
    """One pod, and letters of several kinds."""
    fill(box)
    async with reading(box) as cluster:
        yield cluster


def url_of(cluster: Cluster, rest: str = "") -> str:
    return f"{cluster.pods[0].url}/dead-letters{rest}"


def rows(shown: Tab) -> Locator:
    return shown.page.locator("#letters .letter")


async def settled(shown: Tab) -> None:
    """Wait until the page shows all of it."""
    await expect(shown.page.locator("#letters-title")).to_have_text(
        f"{TOTAL} letters, the newest {SHOWN} shown"
    )
    await expect(shown.page.locator("#bars rect.part").first).to_be_visible()


async def opened(shown: Tab, text: str) -> Locator:
    """Open the first letter that has a text, and return it."""
    letter = rows(shown).filter(has_text=text).first
    await letter.locator("> button").click()
    await expect(letter.locator(".fix")).to_be_visible()
    return letter


async def test_letters_are_shown_by_reason_and_time_and_go_on_below(filled: Cluster) -> None:
    async with tab(url_of(filled)) as shown:
        page = shown.page
        await settled(shown)
        await expect(page.locator("#pipeline")).to_have_text("shop / storefront")
        await expect(page.locator("#reasons button")).to_have_text(
            ["mistyped-field24", "late9", "missing-field1", "rejected1"]
        )
        assert await page.locator("#bars g.bucket").count() > 5
        await expect(rows(shown)).to_have_count(SHOWN)
        await page.locator("#older").click()
        await expect(rows(shown)).to_have_count(TOTAL)
        await expect(page.locator("#letters-title")).to_have_text(f"{TOTAL} letters")
        await expect(page.locator("#older")).to_be_disabled()
        places = await rows(shown).evaluate_all("all => all.map(each => each.dataset.place)")
        assert len(set(places)) == TOTAL
        assert shown.complaints == []


async def test_reasons_bars_and_filters_narrow_and_the_address_keeps_them(filled: Cluster) -> None:
    async with tab(url_of(filled)) as shown:
        page = shown.page
        await settled(shown)
        await page.locator("#reasons button", has_text="late").click()
        await expect(page.locator("#letters-title")).to_have_text("9 letters")
        assert page.url.endswith("?reason=late")
        await expect(page.locator("#reasons button")).to_have_count(4)
        await page.locator("#source").select_option("sink")
        await expect(page.locator("#letters")).to_contain_text("No letter matches.")
        await page.locator("#clear").click()
        await settled(shown)
        before = await page.locator("#bars g.bucket").count()
        await page.locator("#bars g.bucket").last.click()
        await expect(page.locator("#bars g.bucket")).not_to_have_count(before)
        assert re.search(r"from=\d+&to=\d+", page.url)
        await page.go_back()
        await settled(shown)
        await page.goto(url_of(filled, "?reason=rejected&source=sink"))
        await expect(page.locator("#letters-title")).to_have_text("1 letter")
        await expect(page.locator("#source")).to_have_value("sink")
        assert shown.complaints == []


async def test_times_below_the_bars_are_as_exact_as_a_bar_is_wide(box: LetterBox) -> None:
    for ago_s in range(20):
        box.put("{}", pod_headers("late"), ago_ms=ago_s * 1_000)
    box.flush()
    times = "#bars svg > text:not([text-anchor])"
    async with reading(box) as cluster, tab(url_of(cluster)) as shown:
        await expect(shown.page.locator("#reach")).to_have_text("one bar is 1.0 s")
        said = await shown.page.locator(times).all_text_contents()
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d", each) for each in said)
        assert len(set(said)) == len(said) > 2
    box.put("{}", pod_headers("late"), ago_ms=50 * MINUTE)
    box.flush()
    async with reading(box) as cluster, tab(url_of(cluster)) as shown:
        await expect(shown.page.locator("#reach")).to_have_text("one bar is 60 s")
        said = await shown.page.locator(times).all_text_contents()
        assert all(re.fullmatch(r"\d\d:\d\d", each) for each in said)
        assert len(set(said)) == len(said) > 2


async def test_buttons_choose_times_until_others_are_chosen(filled: Cluster) -> None:
    async with tab(url_of(filled)) as shown:
        page = shown.page
        await settled(shown)
        pressed = page.locator("#quick button[aria-pressed=true]")
        await expect(pressed).to_have_count(0)
        await page.get_by_role("button", name="1 hour").click()
        await expect(pressed).to_have_text("1 hour")
        await expect(page).to_have_url(re.compile(r"dead-letters\?from=\d{13}$"))
        await expect(page.locator("#from")).not_to_have_value("")
        await page.locator("#to").fill("2030-01-01T00:00:07")
        await page.locator("#to").blur()
        await expect(page).to_have_url(re.compile(r"\?from=\d{13}&to=1893\d{9}$"))
        await expect(pressed).to_have_count(0)
        await page.get_by_role("button", name="All time").click()
        await expect(pressed).to_have_text("All time")
        await settled(shown)
        await expect(page.locator("#from")).to_have_value("")
        await page.go_back()
        await expect(page.locator("#to")).to_have_value("2030-01-01T00:00:07")
        await expect(pressed).to_have_count(0)
        await page.locator("#clear").click()
        await settled(shown)
        await expect(page.locator("#to")).to_have_value("")
        assert shown.complaints == []


async def test_letter_says_why_and_how_to_fix_it_with_its_bytes(filled: Cluster) -> None:
    async with tab(url_of(filled)) as shown:
        await settled(shown)
        letter = await opened(shown, "mistyped-field")
        await expect(letter.locator(".said")).to_contain_text("expected int")
        await expect(letter.locator(".fix")).to_contain_text("another type than a click needs")
        await expect(letter.locator(".facts").first).to_contain_text("user-clicks / 1 / 23")
        value = letter.get_by_role("region", name="Value")
        await expect(value.locator(".raw")).to_contain_text('"timestamp": "noon"')
        await value.get_by_role("button", name="Hex").click()
        await expect(value.locator(".raw")).to_contain_text("00000000  7b 22 75 73 65 72")
        await expect(value.locator(".raw")).to_contain_text('|{"user_id": "use|')
        await letter.locator("summary").click()
        await expect(letter.locator(".headers dl")).to_contain_text("source-offset")
        await letter.get_by_role("button", name="Only letters with this reason").click()
        await expect(shown.page.locator("#letters-title")).to_contain_text("24 letters")
        assert shown.complaints == []


async def test_replay_is_made_of_what_is_chosen(filled: Cluster) -> None:
    query = "?reason=mistyped-field&reason=late&from=1690000000000&partition=1"
    async with tab(url_of(filled, query), permissions=["clipboard-read", "clipboard-write"]) as shown:
        page = shown.page
        await expect(page.locator("#replay")).to_be_visible()
        text = await page.locator("#yaml").text_content() or ""
        replay = yaml.safe_load(text)
        assert (replay["apiVersion"], replay["kind"]) == ("clickstream.dev/v1alpha1", "ClickReplay")
        assert re.fullmatch(r"replay-letters-\d{8}-\d{4}", replay["metadata"]["name"])
        assert replay["spec"] == {
            "pipeline": "storefront",
            "reasons": ["mistyped-field", "late"],
            "from": "2023-07-22T04:26:40.000Z",
            "sources": [1],
            "dryRun": True,
        }
        await expect(page.locator("#replay")).to_contain_text("kubectl apply -f replay.yaml")
        await expect(page.locator("#replay")).to_contain_text("python -m clickstream_local replay")
        await expect(page.locator("#replay-note")).to_contain_text("late: enrich")
        await page.locator("#copy").click()
        await expect(page.locator("#copy")).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == text
        assert shown.complaints == []


async def test_hostile_letters_are_text_and_nothing_else(box: LetterBox) -> None:
    script = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"
    letters: list[tuple[str | bytes | None, str, str | bytes | None]] = [
        (script, script, script),
        ("\u202egnp.exe\u2066", "\u202etxet", "\u202euser"),
        (b"a\x00b\x07", "null", b"\x00"),
        ("1" + "0" * 400, "too large a number", "n"),
        (rb'{"page_url": "\ud83d"}', "a lone surrogate", "s"),
        (b"\xff\xfe\xfd" * 3_000, "not UTF-8", b"\xff"),
        (None, "a tombstone", None),
        ("x" * 1_000_000, "large", "x" * 4_000),
        ('"reasons: [a], #"', "yaml", "y"),
    ]
    for value, detail, key in letters:
        reason = 'odd"]: {x: !!python' if detail == "yaml" else "mistyped-field"
        box.put(value, pod_headers(reason, detail), key=key)
    box.flush()
    async with reading(box) as cluster, tab(url_of(cluster), viewport=PHONE) as shown:
        page = shown.page
        await expect(rows(shown)).to_have_count(len(letters))
        for number in range(len(letters)):
            await rows(shown).nth(number).locator("> button").click()
        await expect(page.locator("#letters .fix")).to_have_count(len(letters))
        assert await page.locator("#letters img, #letters script").count() == 0
        assert await page.title() != "owned"
        values = page.get_by_role("region", name="Value")
        await expect(values.filter(has_text="<script>")).to_have_count(1)
        await expect(values.filter(has_text="U+202E").locator(".odd").first).to_have_text("U+202E")
        await expect(values.filter(has_text="|a.b.|")).to_have_count(1)
        await expect(values.filter(has_text="0" * 400)).to_have_count(1)
        await expect(values.filter(has_text=r"\ud83d")).to_have_count(1)
        await expect(values.filter(has_text="ff fe fd ff")).to_have_count(1)
        await expect(values.filter(has_text="No value.")).to_have_count(1)
        await expect(values.filter(has_text="976.6 KiB, the first 256.0 KiB shown")).to_have_count(1)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert await serious_findings(page) == []
        await page.locator("#reasons button", has_text="odd").click()
        await expect(page.locator("#letters-title")).to_have_text("1 letter")
        replay = yaml.safe_load(await page.locator("#yaml").text_content() or "")
        assert replay["spec"]["reasons"] == ['odd"]: {x: !!python']
        assert shown.complaints == []


async def test_letters_are_opened_and_filtered_by_keyboard_alone(filled: Cluster) -> None:
    async with tab(url_of(filled)) as shown:
        page = shown.page
        await settled(shown)
        await focus_by_tab(page, page.locator("#reasons button", has_text="late"))
        await page.keyboard.press("Enter")
        await expect(page.locator("#letters-title")).to_have_text("9 letters")
        await expect(page.locator("#reasons button", has_text="late")).to_be_focused()
        first = rows(shown).first.locator("> button")
        await focus_by_tab(page, first)
        await page.keyboard.press("Enter")
        await expect(rows(shown).first.locator(".fix")).to_be_visible()
        await expect(first).to_have_attribute("aria-expanded", "true")
        await page.keyboard.press("Enter")
        await expect(rows(shown).first.locator(".fix")).to_be_hidden()


async def test_empty_topic_and_brokers_that_do_not_answer_are_told(box: LetterBox) -> None:
    async with reading(box) as cluster, tab(url_of(cluster)) as shown:
        await expect(shown.page.locator("#letters")).to_contain_text("No dead letters")
        await expect(shown.page.locator("#replay")).to_be_hidden()
        await expect(shown.page.locator("#over-time")).to_be_hidden()
        assert shown.complaints == []
    missing = Cluster(box.folder, pods=1, letters=box.of("no-such-topic"))
    async with missing, tab(url_of(missing)) as shown:
        await expect(shown.page.locator("#letters [role=alert]")).to_contain_text("no-such-topic")
        await expect(shown.page.get_by_role("button", name="Try again")).to_be_visible()


async def test_page_asks_for_a_token(box: LetterBox, tmp_path: Path) -> None:
    fill(box)
    (tmp_path / "tokens").write_text("sesame")
    async with reading(box, tokens=tmp_path / "tokens") as cluster, tab(url_of(cluster)) as shown:
        await expect(shown.page.locator("dialog")).to_contain_text("asks for a token")
        await shown.page.keyboard.type("sesame")
        await shown.page.keyboard.press("Enter")
        await settled(shown)
        await opened(shown, "late")
        assert [text for text in shown.complaints if "401" not in text] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_and_nothing_sticks_out(
    filled: Cluster, scheme: str, view: dict[str, int]
) -> None:
    async with tab(url_of(filled), color_scheme=scheme, viewport=view) as shown:
        await settled(shown)
        await opened(shown, "missing-field")
        assert await serious_findings(shown.page) == []
        assert await shown.page.evaluate("document.documentElement.scrollWidth") <= view["width"]
        assert shown.complaints == []


async def test_first_tab_leads_past_the_navigation(filled: Cluster) -> None:
    async with tab(url_of(filled)) as shown:
        await shown.page.keyboard.press("Tab")
        await shown.page.keyboard.press("Enter")
        await expect(shown.page.locator("#main")).to_be_focused()

"""The live page follows what it is told, for everybody: with eyes, a keyboard, a screen reader, or a phone."""

from dataclasses import replace

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from keeper.domain.feed_state import FeedState
from keeper.domain.price import Price
from keeper.domain.status import FeedStatus, SourceState
from tests.browser.stage import Stage, shown
from tests.browser.visitor import Visitor, visiting
from tests.support.status import BTC, NETWORK, SOURCE, feed_id
from tests.support.waiting import wait_until

ETH = replace(BTC, feed_id=feed_id(7), alias="ETH/USD")
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp;'
PHONE = {"width": 360, "height": 740}


def at_dollars(value: int) -> Price:
    """The source price of a feed, so many dollars."""
    assert BTC.source is not None
    return BTC.source._replace(price=value * 10**8)


def price(value: int) -> dict[str, object]:
    """The same as events tell it."""
    return shown(at_dollars(value))


def named(feed: FeedStatus) -> dict[str, object]:
    return {"network": NETWORK.name, "feed": feed.feed_id, "alias": feed.alias}


async def follow(visitor: Visitor, stage: Stage) -> None:
    """Open the page, until it follows the stream."""
    await visitor.open()
    await wait_until(lambda: stage.listeners)
    await expect(visitor.connection).to_have_text("live")


async def test_shows_events_as_they_come(browser: Browser, stage: Stage) -> None:
    stage.show(BTC, ETH)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        row = visitor.row("BTC/USD")
        await expect(row).to_contain_text("61,409.94")
        await stage.play("price", **named(BTC), price=price(70_000), source="hermes")
        await stage.play("verdict", **named(BTC), verdict="hold", reason="within_thresholds", deviation_percent="0")
        await expect(row).to_contain_text("70,000.00")
        await expect(row).to_contain_text("14.102% of 0.5%")
        await expect(row).to_contain_text("within thresholds")
        await stage.play("on_chain", **named(BTC), price=price(70_000))
        await expect(row).to_contain_text("0.000% of 0.5%")
        await expect(visitor.row("ETH/USD")).to_contain_text("61,409.94")
        assert visitor.complaints == []


async def test_a_push_is_one_line_from_its_plan_to_its_cost(browser: Browser, stage: Stage) -> None:
    stage.show(BTC)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        lines = visitor.page.locator("#timeline li")
        push = {"network": NETWORK.name, "push": 7}
        feeds = [{"feed": BTC.feed_id, "alias": BTC.alias}]
        await stage.play("plan", **push, feeds=[{**feeds[0], "reason": "deviation"}], gas=100_000, dry_run=False)
        await expect(lines).to_contain_text("planned")
        await stage.play("sent", **push, feeds=feeds, nonce=3, tx_hash="0x" + "ab" * 32, endpoint="rpc-1")
        await expect(lines).to_contain_text("in flight")
        await stage.play("verdict", **named(BTC), verdict="hold", reason="not_newer", deviation_percent="0.0999")
        await expect(visitor.row("BTC/USD")).to_contain_text("in flight push #7")
        await stage.play("replaced", **push, feeds=feeds, nonce=3, tx_hash="0x" + "cd" * 32, endpoint="rpc-1")
        cost = {"wei": "123000000000000", "native": "0.000123"}
        ended = {"outcome": "confirmed", "block": 78, "gas_used": 91_234, "cost": cost, "latency_ms": 812.4}
        await stage.play("confirmed", **push, feeds=feeds, tx_hash="0x" + "cd" * 32, detail="", **ended)
        await expect(lines).to_have_count(1)
        for told in ("confirmed", "0.000123", "BTC/USD deviation", "block 78", "812 ms", "91,234 gas", "replaced once"):
            await expect(lines).to_contain_text(told)
        await expect(visitor.row("BTC/USD")).not_to_contain_text("in flight")
        assert visitor.complaints == []


async def test_names_are_text_and_nothing_else(browser: Browser, stage: Stage) -> None:
    evil = replace(BTC, alias=HOSTILE)
    status = stage.show(evil, name=HOSTILE)
    stage.watched.current = replace(status, sources=(replace(SOURCE, name=HOSTILE, detail=HOSTILE),))
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        feeds = [{"feed": evil.feed_id, "alias": HOSTILE, "reason": HOSTILE}]
        await stage.play("plan", network=HOSTILE, push=1, feeds=feeds, dry_run=False)
        await expect(visitor.page.locator("#timeline")).to_contain_text(HOSTILE)
        await visitor.page.get_by_role("button", name=HOSTILE, exact=True).click()
        await expect(visitor.page.get_by_role("dialog").get_by_role("heading")).to_have_text(HOSTILE)
        await expect(visitor.page.get_by_role("dialog")).to_contain_text("never pushed")
        assert await visitor.page.title() == "pyth-keeper"
        assert await visitor.page.locator("main img, main script, dialog img, dialog script").count() == 0
        assert visitor.complaints == []


async def test_markup_and_scripts_of_others_are_refused(browser: Browser, stage: Stage) -> None:
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await visitor.open()
        with pytest.raises(Exception, match="TrustedHTML"):
            await visitor.page.evaluate("document.body.innerHTML = '<b>x</b>'")
        await visitor.page.evaluate(
            "document.body.append(Object.assign(document.createElement('img'), {src: '//evil.test/x'}))"
        )
        await wait_until(lambda: any("Content Security Policy" in told for told in visitor.complaints))


async def test_explains_the_verdict_on_a_feed(browser: Browser, stage: Stage) -> None:
    stage.show(replace(BTC, coming=BTC.on_chain), ETH)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        await visitor.row("BTC/USD").click()
        dialog = visitor.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("no rule is met: 0.0999% of 0.5000% (deviation), 12 s of 60 s (stale)")
        await expect(dialog.locator(".rules tbody tr").first).to_contain_text("0.0999%")
        await expect(dialog).to_contain_text("in 47 s")
        await dialog.get_by_role("button", name="Close").click()
        await expect(dialog).to_be_hidden()
        assert visitor.complaints == []


async def test_can_be_used_with_the_keyboard_alone(browser: Browser, stage: Stage) -> None:
    stage.show(BTC, ETH)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        keyboard, focused = visitor.page.keyboard, visitor.page.locator(":focus")
        await keyboard.press("Tab")
        await expect(focused).to_have_text("Skip to the feeds")
        await keyboard.press("Enter")
        await keyboard.press("Tab")
        await expect(focused).to_have_text("Feed")
        await keyboard.press("Enter")
        await expect(visitor.page.locator("th[data-key=alias]")).to_have_attribute("aria-sort", "descending")
        await expect(visitor.row().first).to_contain_text("ETH/USD")
        while await focused.get_attribute("class") != "name":
            await keyboard.press("Tab")
        await keyboard.press("Enter")
        await expect(visitor.page.get_by_role("dialog")).to_contain_text("Rules")
        await keyboard.press("Escape")
        await expect(visitor.page.get_by_role("dialog")).to_be_hidden()
        await expect(focused).to_have_text("ETH/USD")
        outline = await focused.evaluate("node => getComputedStyle(node).outlineStyle")
        assert outline == "solid"


async def test_finds_sorts_and_narrows_feeds(browser: Browser, stage: Stage) -> None:
    troubled = replace(ETH, alias="SOL/USD", feed_id=feed_id(8), state=FeedState.VANISHED)
    stage.show(BTC, ETH, troubled)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        await visitor.page.get_by_label("Find a feed").fill("eth")
        await expect(visitor.row()).to_have_count(1)
        await expect(visitor.page.locator("#shown")).to_have_text("1 of 3 feeds")
        await visitor.page.get_by_label("Find a feed").fill("nothing")
        await expect(visitor.page.get_by_text("No feed is like that.")).to_be_visible()
        await visitor.page.get_by_label("Find a feed").fill("")
        await visitor.page.get_by_label("Show").select_option("trouble")
        await expect(visitor.row()).to_have_count(1)
        await expect(visitor.row().first).to_contain_text("vanished")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
async def test_has_no_barrier_that_axe_finds(browser: Browser, stage: Stage, scheme: str, width: int) -> None:
    down = replace(SOURCE, name="second", state=SourceState.DOWN, connected=False, detail="connection refused")
    status = stage.show(BTC, ETH, consecutive_failures=1)
    stage.watched.current = replace(status, sources=(SOURCE, down))
    await stage.start()
    view = {"width": width, "height": 900}
    async with visiting(browser, stage.url, color_scheme=scheme, viewport=view, bypass_csp=True) as visitor:
        await follow(visitor, stage)
        await stage.play("plan", network=NETWORK.name, push=1, feeds=[{**named(BTC), "reason": "deviation"}])
        await expect(visitor.page.locator("#timeline li")).to_have_count(1)
        page_found = (await Axe().run(visitor.page)).response["violations"]
        await visitor.page.get_by_role("button", name="BTC/USD").click()
        await expect(visitor.page.get_by_role("dialog")).to_contain_text("Rules")
        dialog_found = (await Axe().run(visitor.page)).response["violations"]
    barriers = [
        (each["id"], node["html"], node.get("failureSummary"))
        for each in page_found + dialog_found
        for node in each["nodes"]
    ]
    assert barriers == []


async def test_fits_a_phone(browser: Browser, stage: Stage) -> None:
    long = replace(ETH, alias="A-RATHER-LONG-NAME-OF-A-FEED/USD", feed_id=feed_id(9))
    stage.show(BTC, long)
    await stage.start()
    async with visiting(browser, stage.url, viewport=PHONE, has_touch=True) as visitor:
        await follow(visitor, stage)
        assert await overflow(visitor) == 0
        await visitor.row("BTC/USD").tap()
        await expect(visitor.page.get_by_role("dialog")).to_contain_text("Rules")
        assert await overflow(visitor) == 0
        wide = await visitor.page.evaluate(
            "document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth"
        )
        assert wide == 0


async def overflow(visitor: Visitor) -> int:
    width: int = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(width, 0)


async def test_the_theme_follows_the_system_until_somebody_chooses(browser: Browser, stage: Stage) -> None:
    await stage.start()
    async with visiting(browser, stage.url, color_scheme="dark") as visitor:
        await visitor.open()
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await visitor.page.evaluate(ground)
        button = visitor.page.get_by_role("button", name="Theme")
        await button.click()
        await expect(button).to_have_text("Theme: light")
        light = await visitor.page.evaluate(ground)
        assert light != dark
        await visitor.page.reload()
        await expect(button).to_have_text("Theme: light")
        assert await visitor.page.evaluate(ground) == light


async def test_says_when_it_is_cut_off_and_catches_up(browser: Browser, stage: Stage) -> None:
    stage.show(BTC)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        await stage.stop()
        await expect(visitor.connection).to_have_text("reconnecting")
        await expect(visitor.connection).to_contain_text("stale since")
        stage.show(replace(BTC, source=at_dollars(77_777)))
        await stage.start()
        await expect(visitor.row("BTC/USD")).to_contain_text("77,777.00")
        await expect(visitor.connection).to_have_text("live")


async def test_leaves_no_push_in_flight_whose_end_it_missed(browser: Browser, stage: Stage) -> None:
    stage.show(BTC, in_flight=1)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        feeds = [{"feed": BTC.feed_id, "alias": BTC.alias}]
        await stage.play("sent", network=NETWORK.name, push=7, feeds=feeds, nonce=3, tx_hash="0x" + "ab" * 32)
        await expect(visitor.page.locator("#timeline li")).to_contain_text("in flight")
        await stage.stop()
        status = stage.show(BTC, in_flight=0)
        stage.watched.current = replace(status, now=status.now + 60)
        await stage.start()
        await expect(visitor.page.locator("#timeline li")).to_contain_text("end not seen")


async def test_pushes_of_a_keeper_that_was_started_anew_are_others(browser: Browser, stage: Stage) -> None:
    stage.show(BTC)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        lines = visitor.page.locator("#timeline li")
        began = stage.watched.current.now
        for at, boot, digits in ((began, "first", "aa"), (began + 1, "second", "bb")):
            stage.boot = boot
            await stage.play("sent", network=NETWORK.name, push=1, at=at, tx_hash=f"0x{digits * 32}", feeds=[], nonce=7)
        await expect(lines).to_have_count(2)
        await expect(lines.first).to_contain_text("bbbb")
        await expect(lines.last).to_contain_text("aaaa")


async def test_polls_the_status_where_there_is_no_stream(browser: Browser, stage: Stage) -> None:
    stage.show(BTC)
    stage.streams = False
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await visitor.open()
        await expect(visitor.connection).to_have_text("polling")
        stage.show(replace(BTC, source=at_dollars(77_777)))
        await expect(visitor.row("BTC/USD")).to_contain_text("77,777.00")


ROUNDS = 40
WATCH = """() => {
  window.seen = {frames: 0, long: 0, turns: 0, writes: 0};
  const count = () => { window.seen.frames += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  new PerformanceObserver((list) => { window.seen.long += list.getEntries().length; }).observe({type: "longtask"});
  const all = {subtree: true, childList: true, characterData: true, attributes: true};
  const writes = new MutationObserver((records) => {
    window.seen.turns += 1;
    window.seen.writes += records.length;
  });
  writes.observe(document.querySelector("#feeds tbody"), all);
}"""


async def test_two_hundred_feeds_that_move_several_times_a_second_stay_smooth(browser: Browser, stage: Stage) -> None:
    feeds = [replace(BTC, feed_id=feed_id(100 + at), alias=f"FEED{at:03}/USD") for at in range(200)]
    stage.show(*feeds)
    await stage.start()
    async with visiting(browser, stage.url) as visitor:
        await follow(visitor, stage)
        await expect(visitor.row()).to_have_count(200)
        await visitor.page.evaluate(WATCH)
        for number in range(1, ROUNDS + 1):
            moved = price(61_000 + number)
            await stage.play_all([("price", {**named(feed), "price": moved, "source": "hermes"}) for feed in feeds])
            await expect(visitor.row("FEED000/USD")).to_contain_text(f"{61_000 + number:,}.00")
        stage.show(*(replace(feed, source=at_dollars(61_000 + ROUNDS)) for feed in feeds))
        seen = await visitor.page.evaluate("window.seen")
        await visitor.row("FEED199/USD").scroll_into_view_if_needed()
        await expect(visitor.row("FEED199/USD")).to_contain_text(f"{61_000 + ROUNDS:,}.00")
        assert visitor.complaints == []
    print(f"\n{ROUNDS * len(feeds)} updates: {seen}")  # noqa: T201  a figure for whoever tunes
    assert seen["frames"] >= ROUNDS
    assert seen["long"] <= ROUNDS / 2
    # Events that come together are shown together, not one by one.
    assert seen["turns"] <= 5 * ROUNDS
    # Rows out of sight are not written: with 200 rows and some 4 cells each it would be four times as many.
    assert seen["writes"] <= ROUNDS * 200

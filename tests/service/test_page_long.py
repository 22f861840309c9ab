"""A long recording on the page: rate over time, hours, every event with its strip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.service.browsing import Held, long_recording, picture, wait_done

pytestmark = pytest.mark.slow


def test_a_long_recording_has_hours_events_and_strips(page: Any, tmp_path: Path) -> None:
    held = Held(page, "**/v1/jobs*")
    page.set_input_files("#file", str(long_recording(tmp_path)))
    page.locator("#status:has-text('Interpreting')").wait_for()
    held.let_go()
    wait_done(page)
    assert page.locator("#overview").is_visible()
    assert "00:11:00" in page.locator("#facts").inner_text()
    summary = page.locator("#holter-summary").inner_text()
    assert "beats in 00:11:00 of 00:11:00" in summary
    assert "atrial fibrillation 5" in summary  # of the second half
    assert page.locator("#hours tbody tr").count() == 1
    page.locator("#event-kind").select_option("atrial fibrillation")
    event = page.locator("#event-list li").first
    event.scroll_into_view_if_needed()
    event.locator("canvas").wait_for()  # its strip came
    event.locator("button").click()
    page.locator("#imprint:has-text('from 3')").wait_for()
    assert float(page.locator("#timeline").get_attribute("aria-valuenow")) > 300
    page.focus("#timeline")
    page.keyboard.press("End")
    page.locator("#imprint:has-text('from 600.0 s')").wait_for()  # a minute of one lead
    page.locator("#layout").select_option("single")
    page.keyboard.press("End")
    picture(page, "page-long", at="#holter", height=900)


def test_every_event_can_be_reached(page: Any) -> None:
    """450 events: eighteen pages, none left out."""
    seen, counts = page.evaluate(
        """async () => {
          const { Events } = await import("/page/events.js");
          const none = { beats: null, rate_bpm: null };
          const events = Array.from({ length: 450 }, (_, k) => (
            { start_s: 60 * k, end_s: 60 * k + 30, kind: `event ${k + 1}`, ...none }));
          const view = new Events(() => {});
          view.show(events, { strip: null });
          const seen = [], counts = [];
          for (;;) {
            counts.push(document.getElementById("events-shown").textContent);
            const items = [...document.querySelectorAll("#event-list li span")];
            seen.push(...items.map((item) => item.textContent));
            if (document.getElementById("events-after").disabled) return [seen, counts];
            view.page(view.first + 25);
          }
        }"""
    )
    assert counts[0] == "1 to 25 of 450"
    assert counts[-1] == "426 to 450 of 450"
    assert [text.split(" · ")[0] for text in seen] == [f" event {k}" for k in range(1, 451)]

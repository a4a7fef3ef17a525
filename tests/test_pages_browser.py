"""Pages in a real Chromium, the network cut off: they load, are used, and move the sound."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import browser, complaints, show
from conftest import REPOSITORY
from numpy.typing import NDArray
from talking_face import AAC, write_media

import avsync
from avsync.findings import Segment
from avsync.pages.answer import Allowed
from avsync.pages.file import file_page
from avsync.pages.fixed import fix_page
from avsync.pages.overview import Row, overview_pages
from avsync.pipeline.details import Collector
from avsync.report import SyncReport
from avsync.timebase import SAMPLE_RATE

SECONDS = 14.0
PATIENCE_SECONDS = 60.0
ATTEMPTS = 4

# Between the page, which is not touched, and the loudspeaker: when a tick begins to be heard, to
# the sample.
EAR = """
window.heard = [];
{
  let current = null;
  window.turn = name => {
    document.querySelector(`[value=${name}]`).click();
    return current.currentTime;
  };
  const code = `registerProcessor("ear", class extends AudioWorkletProcessor {
    last = -1;
    process([input], [output]) {
      const samples = input[0] || [];
      for (let i = 0; i < samples.length; i++) {
        if (Math.abs(samples[i]) < 0.05) continue;
        const time = currentTime + i / sampleRate;
        if (time - this.last > 0.02) this.port.postMessage(time);
        this.last = time;
      }
      return true;
    }})`;
  const connect = AudioNode.prototype.connect, ears = new WeakMap();
  const earOf = context => {
    if (!ears.has(context)) {
      current = context;
      const way = new GainNode(context);
      ears.set(context, way);
      const module = "data:text/javascript," + encodeURIComponent(code);
      context.audioWorklet.addModule(module).then(() => {
        const ear = new AudioWorkletNode(context, "ear");
        connect.call(way, ear);
        connect.call(ear, context.destination);
        ear.port.onmessage = ({data}) => {
          heard.push(data);
        };
      });
    }
    return ears.get(context);
  };
  AudioNode.prototype.connect = function (target, ...rest) {
    const outside = target instanceof AudioDestinationNode;
    return connect.call(this, outside ? earOf(this.context) : target, ...rest);
  };
}
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as opened:
        opened.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # for the ear alone
        opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": EAR})
        yield opened


@pytest.fixture(scope="module")
def strict() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """The page of a file that ticks unevenly, with an answer that was given it."""
    folder = tmp_path_factory.mktemp("ticking")
    video, collector = folder / "ticks.mp4", Collector()
    pictures = (np.full((96, 128, 3), 40 + k % 100, np.uint8) for k in range(round(25 * SECONDS)))
    write_media(video, pictures, (128, 96), 25, ticks(), AAC)
    options = avsync.DetectOptions()
    measured = avsync.detect(video, options, collector=collector)

    def page(offset_ms: float) -> Path:
        report = replace(
            measured, status="ok", offset_ms=offset_ms, confidence=0.98, uncertainty_ms=5.0,
            segments=(Segment(0.0, SECONDS, offset_ms),),
        )  # fmt: skip
        target = folder / f"{offset_ms:g}.html"
        target.write_text(file_page(report, collector.details, target, Allowed.of(None)))
        return target

    return page


def tick_times() -> NDArray[np.float64]:
    """No two gaps are alike: any few of them tell where in the film they are."""
    gaps = np.random.default_rng(3).uniform(0.06, 0.14, 200)
    times = 0.2 + np.cumsum(gaps)
    return times[times < SECONDS - 0.2]


def ticks() -> NDArray[np.int16]:
    """1 kHz for 10 ms at each of them."""
    times = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    since = times - tick_times()[np.searchsorted(tick_times(), times, "right") - 1]
    lit = (since >= 0) & (since < 0.01)
    return np.asarray(16_000 * lit * np.sin(2 * np.pi * 1000 * since), np.int16)


def lag_seconds(heard: NDArray[np.float64]) -> float:
    """What most ticks that were heard lie behind ticks of the film."""
    behind = np.sort((heard[:, None] - tick_times()).ravel())
    near = np.searchsorted(behind, behind + 0.002) - np.arange(len(behind))
    first = int(near.argmax())
    return float(behind[first : first + near[first]].mean())


def until(driver: Any, condition: str) -> Any:
    """Wait for an expression of the page to hold."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := driver.execute_script(f"return {condition}"):
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {condition}")


def jumps_ms(driver: Any, page: Path) -> list[float]:
    """By how much later the sound came whenever it was put right, earlier when it was not."""
    show(driver, page, 400)
    driver.execute_script("document.getElementById('play').click()")
    until(driver, "heard.length > 20")
    turns: list[float] = []
    for turn in range(6):
        name = "as-it-is" if turn % 2 else "put-right"
        turns.append(driver.execute_script(f"return turn('{name}')"))
        count = driver.execute_script("return heard.length")
        until(driver, f"heard.length > {count + 12}")
    heard = np.array(driver.execute_script("return heard"))
    jumps = []
    for turn, moment in enumerate(turns):
        before = heard[(heard > moment - 0.8) & (heard < moment - 0.1)]
        after = heard[(heard > moment + 0.1) & (heard < moment + 0.8)]
        jumps.append(1000 * (lag_seconds(after) - lag_seconds(before)) * (-1) ** turn)
    return jumps


@pytest.mark.slow
@pytest.mark.parametrize("offset_ms", [200.0, -150.0])
def test_what_is_heard_is_moved_by_the_offset(
    driver: Any, ticking: Callable[[float], Path], offset_ms: float
) -> None:
    """A busy machine shows frames late, and the sound goes after them: it is tried again."""
    for _ in range(ATTEMPTS):
        away = sorted(abs(jump - offset_ms) for jump in jumps_ms(driver, ticking(offset_ms)))
        if len(away) > 2 and away[2] <= 5:
            break
    else:
        raise AssertionError(f"switched to and fro, the sound was off by {away} ms")


def test_the_player_is_used(strict: Any, ticking: Callable[[float], Path]) -> None:
    show(strict, ticking(200.0))
    until(strict, "video.readyState >= 1")
    text = "return document.getElementById(arguments[0]).textContent"
    line = "return document.querySelector(`[data-line='${arguments[0]}']`).textContent"
    assert strict.execute_script(text, "by-hand-value") == "sound 200 ms later"
    assert "--audio-delay=0.200" in strict.execute_script(line, "mpv")
    assert strict.execute_script(text, "moved") == "sound as it is"
    slider = strict.find_element("id", "by-hand")
    slider.send_keys("\ue012" * 5)  # to the left
    assert strict.execute_script(text, "moved") == "sound 195 ms later"
    assert "--offset 195" in strict.execute_script(line, "avsync fix")
    strict.find_element("id", "reset").click()
    assert strict.execute_script(text, "moved") == "sound 200 ms later"
    plot = strict.find_element("css selector", ".plot.sound")
    plot.click()  # in the middle
    assert until(strict, "video.currentTime") == pytest.approx(SECONDS / 2, abs=0.2)
    until(strict, "document.getElementById('clock').textContent === '0:07 of 0:14'")
    assert complaints(strict) == []


def test_a_broken_video_is_told(strict: Any, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"nothing" * 99)
    report = SyncReport(str(tmp_path / "talk.mp4"), "ok", 40.0, 0.95, 9.0)
    page = tmp_path / "page.html"
    page.write_text(file_page(report, None, page, Allowed.of(None)))
    show(strict, page)
    until(strict, "document.getElementById('player-words').textContent.includes('--preview')")
    strict.get_log("browser")


HOSTILE = "a <script>window.hit = 1</script>\"'><img src=x onerror='window.hit=1'>\n{{7*7}}.mp4"


def _reports(count: int) -> list[SyncReport]:
    rng = np.random.default_rng(0)
    found = [
        SyncReport(f"take {k}.mov", "ok", float(rng.normal(0, 60)), float(rng.uniform(0.9, 1)), 8.0)
        for k in range(count - 3)
    ]
    return [
        *found,
        SyncReport(HOSTILE, "ok", 999.0, 0.95, 8.0),
        SyncReport("b\udce9.mov", "undetermined", reasons=(f"odd {HOSTILE}",)),
        SyncReport("c.mov", "error", reasons=("c.mov: gone",)),
    ]


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, allowed = tmp_path_factory.mktemp("overview"), Allowed.of(None)
    rows = [Row.of(report, allowed, folder) for report in _reports(10_000)]
    rows.sort(key=lambda row: row.sort_key)
    for name, page in overview_pages(rows, allowed).items():
        (folder / name).write_text(page)
    return folder / "index.html"


def test_ten_thousand_files_are_sorted_and_filtered(strict: Any, overview: Path) -> None:
    cells = """return [...document.getElementById("table").tBodies[0].rows]
        .map(row => [...row.cells].map(cell => cell.textContent))"""
    shown = "return document.getElementById('shown').textContent"
    show(strict, overview)
    assert strict.execute_script(shown) == "1 to 100 of 10,000"
    first = strict.execute_script(cells)[0]
    assert "window.hit" in first[0] and first[1] == "999 ms early" and first[3] == "95 %"
    assert strict.execute_script("return window.hit") is None
    heads = strict.find_elements("css selector", "th button")
    heads[1].click()
    offsets = strict.execute_script(cells)
    assert len(offsets) == 100 and all(row[1].endswith("late") for row in offsets)
    milliseconds = [int(row[1].split()[0]) for row in offsets]
    assert milliseconds == sorted(milliseconds, reverse=True)
    assert strict.execute_script("return document.querySelectorAll('[aria-sort]').length") == 1
    strict.find_element("id", "on").click()
    assert strict.execute_script(shown) == "101 to 200 of 10,000"
    strict.find_element("id", "find").send_keys("TAKE 123")
    assert strict.execute_script(shown).endswith("11 that fit, of 10,000")
    strict.find_element("id", "find").send_keys("4")
    assert [row[0] for row in strict.execute_script(cells)] == ["take 1234.mov"]
    strict.find_element("id", "find").clear()
    strict.execute_script(
        "const m = document.getElementById('mood'); m.value = 'unsure';"
        "m.dispatchEvent(new Event('input'))"
    )
    ((name, *_, doubt),) = strict.execute_script(cells)
    assert name == "b\ufffd.mov" and "odd a <script>" in doubt and "\n" not in doubt
    assert complaints(strict) == []


def test_all_rows_are_there_without_javascript(strict: Any, overview: Path) -> None:
    strict.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(strict, overview)
        rows = strict.find_elements("css selector", "#table tbody tr")
        links = [a.get_attribute("href") for a in strict.find_elements("css selector", "nav a")]
    finally:
        strict.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(rows) == 1000
    assert [link.rsplit("/")[-1] for link in links] == [f"index-{k}.html" for k in range(2, 11)]
    assert "take" in (overview.parent / "index-10.html").read_text()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_row_lies_beside_the_screen(driver: Any, overview: Path, width: int) -> None:
    show(driver, overview, width)
    cells = driver.find_elements("css selector", "#table [role=cell]")
    assert cells[0].aria_role in ("cell", "gridcell")
    edges = """return [...document.querySelectorAll("#table td, #table th")].map(cell => {
        const range = document.createRange(); range.selectNodeContents(cell);
        const {left, right, top, bottom} = range.getBoundingClientRect();
        return [left, right, top, bottom]; }).filter(([left, right]) => right > left)"""
    boxes = driver.execute_script(edges)
    assert all(left >= 0 and right <= width for left, right, *_ in boxes)
    for (_, right, _, bottom), (left, _, top, _) in pairwise(boxes):  # no text lies upon another
        assert left >= right - 1 or top >= bottom - 1


def test_no_serious_fault_in_access(
    driver: Any, ticking: Callable[[float], Path], overview: Path
) -> None:
    """By axe-core; `AVSYNC_TEST_AXE` names another one than the package's."""
    axe = os.environ.get("AVSYNC_TEST_AXE")
    package = pytest.importorskip("axe_core_python")
    code = (Path(axe) if axe else Path(package.__path__[0]) / "axe.min.js").read_text()
    folder = overview.parent
    for page in (ticking(200.0), overview, talking_page(folder), page_of_a_cure(folder)):
        for dark in (False, True):
            show(driver, page, 390 if dark else 1280, dark=dark)
            driver.execute_script(code)
            found = driver.execute_async_script(
                "axe.run().then(arguments[0], error => arguments[0](String(error)))"
            )
            faults = [
                (fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]
                if fault["impact"] in ("serious", "critical")
            ]  # fmt: skip
            assert faults == [], page.name


def talking_page(folder: Path) -> Path:
    """The page of the README's clip: a face, a map, a curve."""
    video, collector, page = REPOSITORY / "docs/talking.mp4", Collector(), folder / "talking.html"
    report = avsync.detect(video, collector=collector)
    page.write_text(file_page(report, collector.details, page, Allowed.of(None)))
    return page


def page_of_a_cure(folder: Path) -> Path:
    """The README's clip before and after."""
    options = avsync.FixOptions()
    report = avsync.fix(REPOSITORY / "docs/talking.mp4", folder / "synced.mp4", options)
    assert report.status == "fixed"
    page = folder / "cure.html"
    page.write_text(fix_page(report, page, Allowed.of(None)))
    return page

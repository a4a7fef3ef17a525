"""Pages as text: what they say, what they refuse, where they go."""

import json
import os
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, Command

import avsync
from avsync.cure_lines import TOOLS, Moved, line_for
from avsync.errors import DataError, OutputError, UsageError
from avsync.findings import Segment, TrackSummary, offset_at
from avsync.pages import charts
from avsync.pages.answer import Allowed, facts, headline
from avsync.pages.axis import Piece, TimeAxis
from avsync.pages.curve import runner_up
from avsync.pages.file import file_page
from avsync.pages.folder import Pages, slug
from avsync.pages.overview import Row, overview_pages
from avsync.pages.shown import PLOT_FORMATS, Plot, show
from avsync.pages.sound import MOST_SECONDS, copy_of
from avsync.pipeline.details import (
    Collector,
    Details,
    FaceDetails,
    OffsetMap,
)
from avsync.pipeline.taps import HeardSound
from avsync.report import SyncReport
from avsync.timebase import SAMPLE_RATE

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late
EBU = Allowed.of(None)
LATE = SyncReport("talk.mp4", "ok", -120.0, 0.98, 8.0, segments=(Segment(0.0, 62.0, -120.0),))
HOSTILE = "a <script>alert(1)</script>\"'><img src=x onerror=alert(1)>\n{{7*7}}\udce9.mp4"


class _Elements(HTMLParser):
    """All that a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def talking() -> tuple[SyncReport, Details]:
    collector = Collector()
    report = avsync.detect(TALKING, collector=collector)
    assert collector.details is not None
    return report, collector.details


def test_what_was_kept_shows_the_answer(talking: tuple[SyncReport, Details]) -> None:
    report, details = talking
    assert report.offset_ms is not None and details.map
    assert details.looks == ((0.0, 8.0),)
    found = details.map.offsets_ms[np.nanargmax(np.nanmean(details.map.gains, axis=0))]
    assert found == pytest.approx(report.offset_ms, abs=10)
    (face,) = details.faces
    assert len(face.lips) == len(face.boxes) == 200
    spoken = sum(b - a for a, b in face.speaks)
    assert spoken == pytest.approx(report.speech_seconds, abs=1.5)
    assert face.thumbnail
    picture = cv2.imdecode(np.frombuffer(face.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (96, 96, 3) and picture.std() > 20
    (sound,) = details.sounds
    assert len(sound.samples) / SAMPLE_RATE == pytest.approx(8, abs=0.1)
    assert len(sound.peaks) == len(sound.samples) // 160


def test_lips_that_move_are_told_from_lips_that_rest(talking: tuple[SyncReport, Details]) -> None:
    _, details = talking
    (face,), (sound,) = details.faces, details.sounds
    loud = sound.peaks[: 4 * 200].reshape(200, 4).max(axis=1).astype(float)
    early = np.roll(loud, -3)  # the sound is three frames late
    assert face.lips[early > 3000].mean() > 1.3 * face.lips[early < 100].mean()


def test_nothing_but_details_differs_with_a_collector(talking: tuple[SyncReport, Details]) -> None:
    assert avsync.detect(TALKING) == talking[0]


def test_a_page_stands_alone_and_is_small(
    talking: tuple[SyncReport, Details], tmp_path: Path
) -> None:
    page = file_page(*talking, tmp_path / "page.html", EBU)
    assert len(page) < 300_000
    elements = _Elements(page)
    policy = next(m["content"] for m in elements.named("meta") if "http-equiv" in m)
    assert policy and "default-src 'none'" in policy and "script-src 'sha256-" in policy
    for name, attributes in elements.found:
        for attribute in ("src", "href", "action", "data"):
            address = attributes.get(attribute) or ""
            assert not re.match(r"(https?:)?//", address), (name, address)
    assert not re.search(r"url\(|@import", page.split("<style>")[1].split("</style>")[0])
    assert all("alt" in image for image in elements.named("img"))
    (video,) = elements.named("video")
    assert video["src"] and (tmp_path / str(video["src"])).resolve() == TALKING
    assert "Sound is 120 ms late" in page or "Sound is 121 ms late" in page


def test_nothing_in_a_name_becomes_part_of_the_page(tmp_path: Path) -> None:
    report = replace(LATE, path=HOSTILE, reasons=(HOSTILE,), warnings=(HOSTILE,))
    row = Row.of(report, EBU, tmp_path)
    for page in (
        file_page(report, None, tmp_path / "page.html", EBU),
        file_page(replace(report, status="error", offset_ms=None), None, tmp_path / "p.html", EBU),
        overview_pages([row], EBU)["index.html"],
    ):
        page.encode()  # no odd byte is left
        elements = _Elements(page)
        assert all(image.get("src") != "x" for image in elements.named("img"))
        assert not any("onerror" in attributes for _, attributes in elements.found)
        plain = [s for s in elements.named("script") if "type" not in s]
        assert len(plain) == 1 and page.count("alert(1)</script>") == 0
        assert "{{7*7}}" in page and "\\n{{7" in page


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (LATE, "Sound is 120 ms late"),
        (replace(LATE, status="error", offset_ms=None, reasons=("gone",)), "Cannot be read"),
        (SyncReport("a.mp4", "undetermined", reasons=("no face found",)), "Cannot tell"),
        (
            replace(LATE, segments=tuple(Segment(9.0 * k, 9.0 * k + 9, 80.0) for k in range(6))),
            "The offset steps, 5 times",
        ),
        (
            replace(LATE, offset_ms=12.0, segments=(Segment(0, 120, 12.0, -60.0, "24 at 23.976"),)),
            "Sound drifts from 12 ms early to 108 ms late",
        ),
    ],
)
def test_every_kind_of_answer_has_a_page(report: SyncReport, words: str, tmp_path: Path) -> None:
    assert headline(report) == words
    page = file_page(report, None, tmp_path / "page.html", EBU)
    assert f"{words}</h1>" in page and json.dumps(report.path) in page.replace("&#34;", '"')
    assert all(fact in page.replace("&#34;", '"') for fact in facts(report, EBU))


@pytest.mark.parametrize(
    "segments",
    [
        (Segment(0, 120, 12.0, -60.0),),
        (Segment(0, 60, 12.0), Segment(60, 120, -120.0)),
    ],
    ids=["drift", "step"],
)
def test_what_changes_is_offered_no_single_value(
    segments: tuple[Segment, ...], tmp_path: Path
) -> None:
    target = tmp_path / "page.html"
    constant = file_page(replace(LATE, path=str(TALKING)), None, target, EBU)
    assert "The cure in other programs" in constant and "does not cure this file" not in constant
    changing = replace(LATE, path=str(TALKING), segments=segments)
    page = file_page(changing, None, target, EBU)
    assert "The cure in other programs" not in page and "does not cure this file" in page


def test_eight_faces_and_three_hours_have_a_page(tmp_path: Path) -> None:
    rng, hours = np.random.default_rng(0), 3 * 3600.0
    tracks = tuple(TrackSummary(900.0 * k, 900.0 * k + 800, (1, 2, 30, 40), 0.1) for k in range(12))
    report = replace(LATE, tracks=tracks, segments=(Segment(0, hours, -120.0),),
                     duration_seconds=hours)  # fmt: skip
    faces = [_face(int(25 * track.start_seconds), rng) for track in tracks]
    gains = rng.normal(size=(27_000, 201)).astype(np.float32)
    offsets = np.arange(-1000.0, 1001, 10)
    offset_map = OffsetMap(0.4 * np.arange(27_000), 0.4, offsets, gains)
    sounds = (HeardSound(0.0, rng.integers(0, 9999, 1_080_000, np.int16),
                         rng.random(1_080_000) > 0.5, np.zeros(0, np.int16)),)  # fmt: skip
    details = Details(hours, ((0.0, hours),), offset_map, tuple(faces), sounds)
    page = file_page(report, details, tmp_path / "page.html", EBU)
    assert page.count('class="plot lane') == 8
    assert "4 more faces that are not shown carry 40 % of the evidence" in page
    assert "3:00:00" in page and len(page) < 1_500_000


def _face(first_frame: int, rng: np.random.Generator) -> FaceDetails:
    boxes = np.ones((20_000, 4), np.float32)
    lips = rng.random(20_000).astype(np.float32)
    return FaceDetails(first_frame, boxes, lips, None, ((1.0, 2.0),))


def test_a_page_carries_two_and_a_half_minutes_of_sound_at_most() -> None:
    empty = np.zeros(0, np.int16)
    looks = [
        HeardSound(600.0 * k, empty, empty.astype(bool), np.full(180 * SAMPLE_RATE, k, np.int16))
        for k in range(3)
    ]
    copy = copy_of(looks)
    assert copy is not None and len(copy.data) < 600_000
    assert [s.start_seconds for s in copy.stretches] == [0.0, 600.0, 1200.0]
    lengths = [s.end_seconds - s.start_seconds for s in copy.stretches]
    assert sum(lengths) == pytest.approx(MOST_SECONDS)
    assert [s.at_seconds for s in copy.stretches] == [0.0, 50.0, 100.0]
    assert copy_of(()) is None


def test_the_offset_at_a_moment() -> None:
    steps = (Segment(0.0, 10.0, 40.0), Segment(10.0, 70.0, -100.0, 60.0))
    assert [offset_at(steps, t) for t in (-1, 0, 9.9, 10, 40)] == [40, 40, 40, -100, -70]


def test_the_runner_up_is_another_valley() -> None:
    offsets = np.arange(-300.0, 301, 10)
    deep, shallow = (np.exp(-(((offsets - ms) / 30) ** 2)) for ms in (50, -200))
    distances = 2 - deep - 0.4 * shallow
    best, second = runner_up(offsets, distances)
    assert (offsets[best], second is not None and offsets[second]) == (50.0, -200.0)
    assert runner_up(offsets, np.abs(offsets)) == (30, None)


def test_the_map_has_early_sound_above_and_time_to_the_right() -> None:
    gains = np.zeros((10, 21), np.float32)
    gains[8:, 18] = 9  # +80 ms, late in the file
    offset_map = OffsetMap(0.4 * np.arange(10), 0.4, np.arange(-100.0, 101, 10), gains)
    address = charts.heat_map(offset_map, Piece(0.0, 4.0, 0.0, 100.0), 100.0)
    data = np.frombuffer(b64decode(address.split(",")[1]), np.uint8)
    alpha = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., 3]
    assert alpha.shape == (21, 10)
    y, x = np.unravel_index(alpha.argmax(), alpha.shape)
    assert y == 2 and x >= 7 and alpha[:, :5].max() == 0


@pytest.mark.parametrize("ms", [123.4, -123.4, 0.0])
def test_lines_for_other_programs_have_their_sign(ms: float) -> None:
    moved = Moved("it's.mp4", ms)
    lines = {name: line_for(name, moved) for name in TOOLS}
    assert f"--audio-delay={ms / 1000:.3f}" in lines["mpv"]
    assert f"--audio-desync={round(ms)}" in lines["vlc"]
    assert f"--sync 1:{round(ms)}" in lines["mkvmerge"]
    assert f"Sync Offset: {round(ms)} ms" in lines["obs"]
    assert ("delayed" in lines["kodi"], "ahead" in lines["kodi"]) == (ms > 0, ms < 0)
    with pytest.raises(UsageError, match="choose mpv, vlc"):
        line_for("winamp", moved)


def test_of_long_files_only_what_was_looked_at_is_drawn() -> None:
    whole = TimeAxis.of(60.0, [(0.0, 59.9)])
    assert whole.is_whole and list(whole.spans(15, 30)) == [(25.0, 25.0)]
    parts = TimeAxis.of(3600.0, [(0.0, 20.0), (600.0, 620.0), (3580.0, 3600.0)])
    assert [round(piece.left, 2) for piece in parts.pieces] == [0, 33.67, 67.33]
    assert list(parts.spans(100, 200)) == []
    assert list(parts.spans(0, 3600)) == [(0.0, 32.667), (33.667, 32.666), (67.333, 32.667)]
    assert [tick.label for tick in parts.ticks()] == ["0:00", "10:00", "59:40"]
    assert [tick.label for tick in parts.ticks(2)] == ["0:00", "59:40"]


# ---- where pages go


def test_folders_that_are_there_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    Pages(folder, alone=False).prepare(force=False)
    Pages(folder, alone=False).prepare(force=False)  # empty: nothing is lost
    (folder / "mine.txt").write_text("kept")
    with pytest.raises(OutputError, match="exists already; give --force"):
        Pages(folder, alone=False).prepare(force=False, go_on=True)
    Pages(folder, alone=False).prepare(force=True)
    (folder / "index.html").write_text("an earlier report")
    Pages(folder, alone=False).prepare(force=False, go_on=True)
    assert (folder / "mine.txt").read_text() == "kept"


def test_places_that_cannot_be_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        Pages(tmp_path / "file").prepare(force=True)
    with pytest.raises(OutputError, match="cannot write there"):
        Pages(tmp_path / "file" / "deep" / "page.html").prepare(force=True)
    with pytest.raises(UsageError, match="several files need a folder"):
        Pages(tmp_path / "page.html", alone=False).prepare(force=True)
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OutputError, match="is a folder; name a page"):
        Pages(tmp_path / "page.html").prepare(force=True)


def test_each_file_has_a_name_of_its_own() -> None:
    names = [slug(name) for name in ("a/talk.mp4", "b/talk.mp4", "b/talk.mov", "\udce9", HOSTILE)]
    assert len(set(names)) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,60}", name) for name in names)


def test_a_page_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pages = Pages(tmp_path / "file" / "page.html")
    report = show(LATE, None, avsync.DetectOptions(), [pages])
    assert report.offset_ms == -120.0
    assert report.warnings == ("pages not written: File exists",)


# ---- plots


def test_a_figure_shows_curve_and_map(talking: tuple[SyncReport, Details]) -> None:
    report, details = talking
    curve, offsets, bar = report.plot(details).axes
    assert curve.lines[0].get_xydata().shape == (201, 2)
    assert curve.texts[0].get_text() == f"{round(report.offset_ms or 0, -1):+.0f} ms"
    assert offsets.get_xlim()[1] == pytest.approx(8, abs=0.5)
    assert list(offsets.lines[0].get_ydata()) == [report.offset_ms] * 2
    assert bar.get_ylabel() == "fit, in units of noise"
    (alone,) = report.plot().axes
    assert len(alone.lines) == 3
    assert replace(LATE, path="$x_1$").plot().axes  # without a curve, too


@pytest.mark.parametrize("suffix", PLOT_FORMATS)
def test_plots_are_written_in_each_format(
    talking: tuple[SyncReport, Details], suffix: str, tmp_path: Path
) -> None:
    report, details = talking
    plot = Plot(tmp_path / f"plot{suffix}")
    plot.prepare(force=False)
    assert show(report, details, avsync.DetectOptions(), [plot]) == report
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert plot.target.read_bytes().startswith(begins)
    with pytest.raises(OutputError, match="exists already"):
        plot.prepare(force=False)
    with pytest.raises(UsageError, match=r"ends in \.png, \.svg"):
        Plot(tmp_path / "plot.gif").prepare(force=False)


# ---- the commands


def test_one_file_and_its_page(avsync: Command, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    done = avsync("detect", TALKING, "--report", page, "--preview", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Sound is 12" in page.read_text() and "data:video/mp4;base64," in page.read_text()
    assert os.listdir(page.parent) == ["page.html"]
    again = avsync("detect", TALKING, "--report", page)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "--force" in again.stderr


def test_a_batch_with_errors_and_odd_names(avsync: Command, tmp_path: Path) -> None:
    source, folder, lines = tmp_path / "in", tmp_path / "pages", tmp_path / "report.jsonl"
    source.mkdir()
    odd = source / "na\udcefve <b>\n'.mp4"
    os.link(TALKING, odd)
    (source / "broken.mp4").write_bytes(b"no video" * 99)
    argv = ("detect", source, "--report", folder, "--jobs", "1")
    done = avsync(*argv, "--resume", lines)
    assert done.returncode == 1 and "broken.mp4: not a media file" in done.stderr
    index = (folder / "index.html").read_text()
    assert "2 files" in index and "na\ufffdve &lt;b&gt;\\n&#39;.mp4" in index
    links = re.findall(r'href="(files/[^"]+)"', index)
    assert len(links) == 1 and (folder / links[0]).is_file()  # what is broken has no page
    again = avsync(*argv, "--resume", lines)  # what is known is not measured, and stays
    assert again.returncode == 1 and "2 files" in (folder / "index.html").read_text()
    later = avsync("report", lines, "-o", tmp_path / "later")
    assert (later.returncode, later.stderr) == (0, "")
    assert os.listdir(tmp_path / "later") == ["index.html"]
    page = (tmp_path / "later" / "index.html").read_text()
    assert "2 files" in page and 'href="files/' not in page


def test_a_report_of_nothing_and_of_something_else(avsync: Command, tmp_path: Path) -> None:
    nothing, other = tmp_path / "empty.jsonl", tmp_path / "other.jsonl"
    nothing.write_text("")
    other.write_text("[1, 2]\n")
    done = avsync("report", nothing, "-o", tmp_path / "pages")
    assert done.returncode == 0
    assert "No file was measured" in (tmp_path / "pages" / "index.html").read_text()
    for path, words in ((other, "line 1 is no JSON object"), (tmp_path / "gone", "No such file")):
        done = avsync("report", path, "-o", tmp_path / "x")
        assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1


def test_what_was_put_right_is_shown_before_and_after(avsync: Command, tmp_path: Path) -> None:
    page, output = tmp_path / "page.html", tmp_path / "it's <b>.mp4"
    done = avsync("fix", TALKING, "-o", output, "--report", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "Put right</h1>" in text and "only time stamps changed" in text
    before, after = (str(video["src"]) for video in _Elements(text).named("video"))
    assert (tmp_path / before).resolve() == TALKING
    assert after == "it%27s%20%3Cb%3E.mp4"
    assert text.count('class="plot curve-plot"') == 2
    assert "Before: <span" in text and "After: <span" in text


def test_many_that_were_put_right_have_an_overview(avsync: Command, tmp_path: Path) -> None:
    source, folder = tmp_path / "in", tmp_path / "pages"
    source.mkdir()
    os.link(TALKING, source / "a.mp4")
    (source / "broken.mp4").write_bytes(b"no video" * 99)
    argv = ("fix", source, "-o", tmp_path / "out", "--offset", "120", "--dry-run")
    done = avsync(*argv, "--report", folder, "--jobs", "1")
    assert done.returncode == 1
    index = (folder / "index.html").read_text()
    assert "2 files" in index and "Planned, nothing written; given: sound is 120 ms early" in index
    links = re.findall(r'href="(files/[^"]+)"', index)
    assert len(links) == 2 and all((folder / link).is_file() for link in links)


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    from avsync.cli.reporting import read_reports

    path = tmp_path / "report.jsonl"
    path.write_text(f'{LATE.to_json()}\n{replace(LATE, offset_ms=5.0).to_json()}\n{{"path": ')
    assert [report.offset_ms for report in read_reports(path)] == [5.0]
    path.write_text('{"path": \n')
    with pytest.raises(DataError, match="line 1"):
        list(read_reports(path))


def test_options_that_contradict_each_other(avsync: Command, tmp_path: Path) -> None:
    report = ("--report", tmp_path / "x")
    for more in (("--preview",), (*report, "--engine", "ray"), (TALKING, "--plot", "x.png")):
        done = avsync("detect", TALKING, *more)
        assert done.returncode == 2 and "--report" in done.stderr


def test_one_offset_is_no_range(tmp_path: Path, avsync: Command) -> None:
    (tmp_path / "one.jsonl").write_text(LATE.to_json() + "\n")
    assert avsync("report", tmp_path / "one.jsonl", "-o", tmp_path / "pages").returncode == 0
    page = (tmp_path / "pages" / "index.html").read_text()
    assert "One offset: " in page and "1 offsets" not in page

"""Lip-sync error of sets: means, intervals that cover the truth, pairs, and the command."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import fields_of, running
from conftest import REPOSITORY, Command
from syncnet_checkpoint import checkpoint
from timeline import run

from avsync.errors import DataError
from avsync.estimates import estimate
from avsync.findings import UpstreamScores
from avsync.report import SyncReport
from avsync.scoring import Comparison, FileScore, SetScore

TALKING = REPOSITORY / "docs" / "talking.mp4"


def _score(path: str, lse_d: float | None, lse_c: float = 5.0) -> FileScore:
    scores = None if lse_d is None else UpstreamScores(lse_d, lse_c, 0)
    return FileScore.of(SyncReport(path, "ok", offset_ms=-40.0, upstream=scores), "made")


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Of 200 sets of 40 files, drawn from a skewed distribution of mean 7."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        found = estimate(rng.gamma(7.0, 1.0, 40).tolist())
        assert found and found.low is not None and found.high is not None
        assert found.low < found.mean < found.high
        covered += found.low <= 7.0 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_few_files_have_no_interval_and_none_no_mean() -> None:
    few = estimate([6.0, 8.0])
    assert few and (few.mean, few.low, few.high, few.count) == (7.0, None, None, 2)
    assert estimate([]) is None
    assert estimate([None, None]) is None


def test_a_set_counts_what_it_leaves_out() -> None:
    scores = [_score("a", 6.0), _score("b", 8.0), _score("c", None)]
    scores.append(replace(_score("d", 7.0), offset_ms=None))
    found = SetScore.of("made", scores)
    assert (found.files, found.scored, found.answered) == (4, 3, 3)
    assert found.lse_d and found.lse_d.mean == 7.0
    assert found.abs_offset_ms and found.abs_offset_ms.mean == 40.0


def test_pairs_are_found_by_name_whatever_their_container() -> None:
    ours = [_score("g/a.mp4", 7.0, 5.0), _score("g/b.mp4", 6.0, 7.0), _score("g/c.mp4", None)]
    real = [_score("r/b.avi", 6.5, 6.0), _score("r/a.mkv", 6.0, 6.0), _score("r/c.mp4", 6.0)]
    found = Comparison.of(ours, real)
    assert (found.pairs, found.better_d, found.better_c) == (2, 1, 1)
    assert found.lse_d and found.lse_d.mean == pytest.approx(0.25)
    assert set(found.unpaired) == {"g/c.mp4", "r/c.mp4"}


def test_names_that_make_no_pairs_are_refused() -> None:
    with pytest.raises(DataError, match="no two files"):
        Comparison.of([_score("a.mp4", 7.0)], [_score("b.mp4", 7.0)])
    with pytest.raises(DataError, match="several files"):
        Comparison.of([_score("1/a.mp4", 7.0), _score("2/a.mp4", 7.0)], [_score("a.mp4", 7.0)])


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    for name in ("generated", "real"):
        (folder / name).mkdir()
    for name, start in (("a", "0"), ("b", "3")):
        run("-ss", start, "-t", "4", "-i", TALKING, folder / "real" / f"{name}.mp4")
        run(
            "-i",
            folder / "real" / f"{name}.mp4",
            "-c",
            "copy",
            folder / "generated" / f"{name}.mkv",
        )
    (folder / "generated" / "bad.mp4").write_bytes(b"nothing")
    return folder


@pytest.mark.slow
def test_the_command_scores_two_sets(avsync: Command, sets: Path) -> None:
    named = ("score", sets / "generated", "--reference", sets / "real")
    done = avsync(*named, "--json", "--jobs", "1")
    assert done.returncode == 1 and "bad.mp4: not a media file" in done.stderr
    document = json.loads(done.stdout)
    files = {Path(one["path"]).name: one for one in document["files"]}
    assert set(files) == {"a.mkv", "b.mkv", "bad.mp4", "a.mp4", "b.mp4"}
    assert {one["scale"] for one in document["files"]} == {"avsync-default"}
    assert not document["protocol"]["is_published_scale"]
    # The same pictures and sounds: whatever is told of one is told of the other.
    assert document["comparison"]["pairs"] == 2
    assert document["comparison"]["lse_d"]["mean"] == pytest.approx(0, abs=0.003)
    done = avsync("detect", sets / "real" / "a.mp4", "--upstream-scoring", "--json")
    alone = json.loads(done.stdout)
    assert [files["a.mp4"][name] for name in ("lse_d", "lse_c", "offset_ms")] == [
        alone[name] for name in ("lse_d", "lse_c", "offset_ms")
    ]


@pytest.mark.slow
def test_every_form_says_on_which_scale_it_is(avsync: Command, sets: Path, tmp_path: Path) -> None:
    """All from one report, which is gone on with: nothing is measured again."""
    kept = ("--resume", tmp_path / "kept.jsonl", "--jobs", "1")
    first = avsync("score", sets / "real", "--jsonl", *kept)
    assert first.returncode == 0
    kinds = [line["kind"] for line in fields_of(first.stdout.splitlines())]
    assert kinds == ["file", "file", "set", "protocol"]
    measured = (tmp_path / "kept.jsonl").read_bytes()
    assert avsync("score", sets / "real", "--jsonl", *kept).stdout == first.stdout
    rows = list(csv.DictReader(avsync("score", sets / "real", "--csv", *kept).stdout.splitlines()))
    assert [row["scale"] for row in rows] == ["avsync-default"] * 2
    table = avsync("score", sets / "real", "--latex", *kept).stdout
    assert table.count(r"\\") == 2 and "not SyncNet's" in table.splitlines()[0]
    text = avsync("score", sets / "real", *kept).stdout
    assert "on the scale of avsync-default" in text and "compare with no published figures" in text
    assert (tmp_path / "kept.jsonl").read_bytes() == measured


def test_interrupted_it_goes_on(avsync: Command, sets: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    with running("score", sets / "real", "--resume", kept, "--jobs", "1") as process:
        while not (kept.exists() and kept.read_text().count("\n")):
            assert process.poll() is None
        process.kill()
    done = avsync("score", sets / "real", "--resume", kept, "--json", "-v", "--jobs", "1")
    assert done.returncode == 0 and json.loads(done.stdout)["sets"][0]["scored"] == 2
    assert "known=yes" in done.stderr


def test_usage(avsync: Command) -> None:
    for arguments, says in (
        (("--json", "--latex"), "choose one of"),
        (("-", "--reference", "x"), "has no pairs"),
        (("--weights", "nothing"), "weights nothing"),
        (("--device", "abacus"), "--device abacus"),
    ):
        done = avsync("score", TALKING, *arguments)
        assert done.returncode in (1, 2) and says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_upstreams_figures_come_back(avsync: Command, shared: Path, tmp_path: Path) -> None:
    """Those that SyncNet's own scripts give for this clip with this checkpoint."""
    import torch

    torch.save(checkpoint(), tmp_path / "parity.pth")
    done = avsync("score", shared / "clips" / "example.avi", "--cropped", "--json",
                  "--weights", tmp_path / "parity.pth")  # fmt: skip
    (file,) = json.loads(done.stdout)["files"]
    assert file["lse_d"] == pytest.approx(1321.01, abs=0.01)
    assert file["lse_c"] == pytest.approx(0.749, abs=0.001)
    assert file["lse_offset_frames"] == 15

"""A second and a half of speech: too little to be sure, and the user's to accept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY, Command
from timeline import run

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("accept") / "brief.mp4"
    run("-ss", "2", "-t", "1.5", "-i", TALKING, "-c:v", "libx264", "-c:a", "aac", path)
    return path


def _points(curve: dict[str, list[float]]) -> Iterator[tuple[float, float]]:
    return zip(curve["offsets_ms"], curve["distances"], strict=True)


def test_what_is_likely_is_said_and_accepted_when_asked(avsync: Command, brief: Path) -> None:
    doubtful = avsync("detect", brief, "--json", "--curve")
    report = json.loads(doubtful.stdout)
    assert (doubtful.returncode, report["status"], report["offset_ms"]) == (3, "undetermined", None)
    best = report["candidates"][0]
    assert best["offset_ms"] == pytest.approx(-120, abs=20) and 0.5 < best["confidence"] < 0.9
    lowest = min((d, ms) for ms, d in _points(report["curve"]) if d is not None)
    assert lowest[1] == pytest.approx(best["offset_ms"], abs=5)

    text = avsync("detect", brief).stdout
    percent = f"{100 * best['confidence']:.0f} %"
    assert f"probably {-best['offset_ms']:.0f} ms late ({percent}); --accept 0." in text

    accept = f"{best['confidence'] - 0.01:.3f}"
    done = avsync("detect", brief, "--json", "--accept", accept)
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"]) == (0, "ok") and "curve" not in report
    assert report["offset_ms"] == best["offset_ms"]


def test_fix_takes_what_is_accepted_and_proves_it(
    avsync: Command, brief: Path, tmp_path: Path
) -> None:
    target = tmp_path / "fixed.mp4"
    refused = avsync("fix", brief, "-o", target)
    assert refused.returncode == 3 and not target.exists()
    assert "not touched, cannot tell" in refused.stdout and "probably 1" in refused.stdout
    done = avsync("fix", brief, "-o", target, "--accept", "0.4", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], target.exists()) == (0, "fixed", True)
    assert report["offset_ms"] == pytest.approx(-120, abs=20)
    assert report["residual_ms"] == pytest.approx(0, abs=15)

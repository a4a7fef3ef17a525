"""The real command: what it prints where, its exit status, and what bad input gets."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Command
from talking_face import speech, write_talking_face

from avsync import __version__, ffmpeg


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face whose sound is 240 ms late."""
    path = tmp_path_factory.mktemp("late") / "a talking, 'late' face.mp4"
    write_talking_face(path, seconds=6.0, sound_early_ms=-240.0)
    return path


def _make(path: Path, *options: str) -> Path:
    """A file by ffmpeg's own means."""
    argv = [ffmpeg.find_ffmpeg(), "-nostdin", "-v", "error", *options, str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def test_help_is_instant_and_imports_no_torch() -> None:
    code = (
        "import sys, avsync.cli as c\n"
        "try: c.app(['detect', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'scipy', 'face_alignment'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_version(avsync: Command) -> None:
    assert avsync("--version").stdout.strip() == f"avsync {__version__}"


def test_text_says_which_way_and_how_much(avsync: Command, late: Path) -> None:
    done = avsync("detect", late)
    assert done.returncode == 0, done.stderr
    name, headline, *_ = done.stdout.splitlines()
    assert name == str(late)
    figures = re.fullmatch(
        r"    sound is (\d+) ms late, (\d\.\d) frames   confidence (?:over )?\d\d %   \+-\d+ ms",
        headline,
    )
    assert figures, headline
    assert int(figures[1]) == pytest.approx(240, abs=20)
    assert float(figures[2]) == pytest.approx(6.0, abs=0.5)
    assert done.stderr == ""


def test_json_is_an_object_for_one_and_a_list_for_several(avsync: Command, late: Path) -> None:
    one = json.loads(avsync("detect", late, "--json").stdout)
    two = json.loads(avsync("detect", late, late, "--json").stdout)
    assert one["offset_ms"] == pytest.approx(-240, abs=20)
    assert two == [one, one]


def test_a_shell_loop_sees_every_file(avsync: Command, late: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list"
    listing.write_text(f"{late}\n" * 3)
    loop = (
        f'while read -r f; do "{sys.executable}" -m avsync detect "$f" --jsonl; done < "{listing}"'
    )
    done = subprocess.run(["bash", "-c", loop], capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 3, done.stderr


def test_a_list_on_stdin_a_line_for_each(avsync: Command, late: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent.mp4"
    done = avsync("detect", "-", "--jsonl", "--ordered", input=f"{late}\n{absent}\n{late}\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["status"] for line in lines] == ["ok", "error", "ok"]
    assert done.returncode == 1
    assert f"{absent}: no such file" in done.stderr


def test_a_folder_is_searched_and_csv_has_a_heading(
    avsync: Command, late: Path, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.mp4").symlink_to(late)
    (tmp_path / "notes.txt").write_text("not media")
    heading, row = avsync("detect", tmp_path, "--csv").stdout.splitlines()
    assert heading.startswith("path,status,offset_ms,")
    assert row.startswith(f"{tmp_path}/deep/one.mp4,ok,")


def test_outside_the_tolerance_is_status_4(avsync: Command, late: Path) -> None:
    assert avsync("detect", late, "--tolerance", "ebu-r37").returncode == 4
    assert avsync("detect", late, "--tolerance", "500/500").returncode == 0


SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono")
GREY = ("-f", "lavfi", "-i", "color=gray:s=160x120:r=25")


def _tone() -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", "sine=frequency=300")


def _bad_files(folder: Path, late: Path) -> dict[str, Path]:
    whole = late.read_bytes()
    text, cut, empty = folder / "text.mp4", folder / "cut.mp4", folder / "empty.mp4"
    text.write_text("This is no video.\n" * 50)
    cut.write_bytes(whole[: len(whole) // 2])
    empty.write_bytes(b"")
    cover = folder / "cover.png"
    cv2.imwrite(str(cover), np.full((64, 64, 3), 90, np.uint8))
    return {
        "missing": folder / "missing.mp4",
        "text": text,
        "empty": empty,
        "truncated": cut,
        "no audio": _make(folder / "mute.mp4", "-i", str(late), "-an", "-c", "copy"),
        "no video": _make(folder / "sound.m4a", "-i", str(late), "-vn", "-c", "copy"),
        "cover": _make(
            folder / "cover.m4a", "-i", str(late), "-i", str(cover), "-map", "0:a", "-map", "1:v",
            "-c:a", "copy", "-c:v", "mjpeg", "-disposition:v", "attached_pic",
        ),
        "silent": _make(
            folder / "silent.mp4", "-i", str(late), *SILENCE, "-map", "0:v", "-map", "1:a",
            "-c:v", "copy", "-shortest",
        ),
        "no face": _make(folder / "grey.mp4", *GREY, *_tone(), "-t", "3"),
        "short": _make(folder / "short.mp4", "-i", str(late), "-t", "0.3"),
        "small face": _make(
            folder / "small.mp4", "-i", str(late), "-vf", "scale=96:54,pad=640:360"
        ),
    }  # fmt: skip


def test_bad_input_gets_a_reason_and_never_a_traceback(
    avsync: Command, late: Path, tmp_path: Path
) -> None:
    files = _bad_files(tmp_path, late)
    before = sorted(os.listdir(tmp_path))
    done = avsync("detect", *files.values(), "--json")
    reports = dict(zip(files, json.loads(done.stdout), strict=True))
    said = {name: (r["status"], "; ".join(r["reasons"])) for name, r in reports.items()}
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name, status, words in [
        ("missing", "error", "no such file"),
        ("text", "error", "not a media file"),
        ("empty", "error", "not a media file"),
        ("truncated", "error", "not a media file"),
        ("no audio", "error", "no audio stream"),
        ("no video", "error", "no video stream"),
        ("cover", "error", "only a cover picture"),
        ("silent", "undetermined", "silent"),
        ("no face", "undetermined", "no face found"),
        ("short", "undetermined", "too short"),
        ("small face", "undetermined", "face"),
    ]:
        assert said[name][0] == status, (name, said[name])
        assert words in said[name][1], (name, said[name])
    assert sorted(os.listdir(tmp_path)) == before, "something was left behind"


def test_undetermined_alone_is_status_3(avsync: Command, tmp_path: Path) -> None:
    grey = _make(tmp_path / "grey.mp4", *GREY, *_tone(), "-t", "2")
    done = avsync("detect", grey)
    assert done.returncode == 3
    assert "cannot tell: no face found" in done.stdout


def test_a_folder_without_media(avsync: Command, tmp_path: Path) -> None:
    done = avsync("detect", tmp_path)
    assert done.returncode == 1 and "no media files" in done.stderr


@pytest.mark.parametrize("damage", ["foreign", "flipped", "absent"])
def test_bad_weights(avsync: Command, late: Path, tmp_path: Path, damage: str) -> None:
    from avsync import weights

    path = tmp_path / "mine.safetensors"
    data = bytearray(weights.find("default").read_bytes())
    if damage == "foreign":
        path.write_text("weights of another program")
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    done = avsync("detect", late, "--weights", path)
    assert done.returncode == 1 and done.stdout == ""
    assert str(path) in done.stderr and len(done.stderr.splitlines()) == 1


def test_weights_commands(avsync: Command) -> None:
    listed = avsync("weights", "list").stdout
    assert "default" in listed and "avsync weights fetch syncnet_v2" in listed
    facts = json.loads(avsync("weights", "info").stdout)
    assert facts["config"]["architecture"] == "default" and len(facts["sha256"]) == 64
    assert "intact" in avsync("weights", "verify").stdout
    absent = avsync("weights", "verify", "syncnet_v2")
    assert absent.returncode == 1 and "avsync weights fetch syncnet_v2" in absent.stderr
    assert avsync("weights", "fetch", "other").returncode == 2


def test_an_unwritable_cache_is_said_in_a_line(avsync: Command, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    environment = {**os.environ, "AVSYNC_CACHE": str(blocked / "cache")}
    done = avsync("weights", "fetch", "syncnet_v2", env=environment)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "cannot fetch it" in done.stderr


def test_doctor_finds_what_is_needed(avsync: Command) -> None:
    done = avsync("doctor")
    assert done.returncode == 0, done.stdout
    for subject in ("ffmpeg", "torch", "faces: yunet", "weights: default", "cache"):
        assert subject in done.stdout
    broken = avsync("doctor", env={**os.environ, "AVSYNC_FFMPEG": "/no/such"})
    assert broken.returncode == 1 and "MISSING" in broken.stdout


def test_speech_is_long_enough_for_these_tests() -> None:
    assert len(speech()) >= 6 * 16_000

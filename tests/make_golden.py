"""Make tests/golden/ffmpeg-i: what different versions of ffmpeg print of the same files.

    python tests/make_golden.py MAKER [FFMPEG ...]

MAKER, an ffmpeg of version 7 or newer with libx265, makes the files; it and the others describe
them, each into a folder named for its version. The tests read those texts with all parsers. What
is in the files is in the recipes below, and as facts in test_banner.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

GOLDEN = Path(__file__).parent / "golden" / "ffmpeg-i"
PICTURE = "testsrc2=size=160x120:rate=25:duration=1"
HDR = (
    "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    ":max-cll=1000,400:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
)
BT2020 = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
HEVC = ("-c:a", "copy", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params")
COPY = ("-map", "0", "-c", "copy")
WORDS = "1\n00:00:00,100 --> 00:00:00,400\nHello\n\n2\n00:00:00,500 --> 00:00:00,900\nWorld\n"
TAGS = """;FFMETADATA1
title=A test
artist=Somebody
comment=of two\\
lines
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=One
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Two
"""
SEVERAL = (  # sound, film, sound, subtitles, with their own names
    *("-i", "plain.mp4", "-i", "words.srt", "-i", "tags.txt"),
    *("-map", "0:a", "-map", "0:v", "-map", "0:a", "-map", "1:s"),
    *("-map_metadata", "2", "-map_chapters", "2", "-c", "copy"),
    *("-metadata:s:0", "language=fra", "-metadata:s:0", "title=Commentary"),
    *("-metadata:s:2", "language=eng", "-metadata:s:3", "language=deu"),
    *("-disposition:0", "comment", "-disposition:1", "default"),
    *("-disposition:2", "default+hearing_impaired", "-disposition:3", "forced"),
)
# Tags of people who want to be taken for ffmpeg.
LIES = (
    *("-metadata", "title=Duration: 01:00:00.00, start: 7.000000, bitrate: 9 kb/s"),
    *("-metadata", "comment=  Stream #0:7: Video: h264, yuv420p, 320x240, 25 fps"),
    *("-metadata", "artist=a\n  Stream #0:8: Audio: aac, 44100 Hz, stereo"),
    *("-metadata:s:0", "title=rotation of 90.00 degrees [SAR 4:3 DAR 16:9] (attached pic)"),
    *("-metadata:s:1", "title=Chapter 1 of Program 1"),
)
# In the order in which they are made: some are made of others.
RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (
        *("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", "sine=r=48000:duration=1"),
        *("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    ),
    "cover.jpg": ("-i", "plain.mp4", "-frames:v", "1", "-vf", "scale=64:64"),
    "turned.mp4": ("-display_rotation", "90", "-i", "plain.mp4", *COPY),
    "turned_half.mov": ("-display_rotation", "180", "-i", "plain.mp4", *COPY),
    "askew.mp4": ("-display_rotation", "-90", "-i", "plain.mp4", *COPY, "-aspect", "16:9"),
    "wide.mkv": ("-i", "plain.mp4", *COPY, "-aspect", "16:9"),
    "light.mkv": ("-i", "plain.mp4", "-vf", BT2020, *HEVC, f"log-level=none:{HDR}"),
    # What is said of light inside the stream is known to the container once it is encoded again.
    "hdr.mp4": ("-i", "light.mkv", *HEVC, "log-level=none", "-tag:v", "hvc1"),
    "stereo.mkv": ("-i", "plain.mp4", *COPY, "-metadata:s:v", "stereo_mode=left_right"),
    "song.mp3": (
        *("-i", "plain.mp4", "-i", "cover.jpg", "-map", "0:a", "-map", "1:v"),
        *("-c:v", "copy", "-disposition:v", "attached_pic"),
    ),
    "covered.mp4": (
        *("-i", "plain.mp4", "-i", "cover.jpg", "-map", "1:v", "-map", "0", "-c", "copy"),
        *("-disposition:0", "attached_pic"),
    ),
    "several.mkv": (
        *(*SEVERAL, "-attach", "font.ttf", "-metadata:s:t:0", "mimetype=font/ttf"),
        *("-attach", "cover.jpg", "-metadata:s:t:1", "mimetype=image/jpeg"),
    ),
    "several.mp4": (*SEVERAL, "-c:s", "mov_text"),
    "timecode.mov": ("-i", "plain.mp4", *COPY, "-timecode", "01:00:00:00"),
    "late.mp4": (
        *("-i", "plain.mp4", "-itsoffset", "0.48", "-i", "plain.mp4"),
        *("-map", "1:v", "-map", "0:a", "-c", "copy"),
    ),
    "early.mkv": (
        *("-itsoffset", "-0.4", "-i", "plain.mp4", *COPY, "-avoid_negative_ts", "disabled"),
    ),
    "later.mkv": ("-i", "plain.mp4", *COPY, "-output_ts_offset", "25.68"),
    "live.mkv": ("-i", "plain.mp4", *COPY, "-live", "1", "-f", "matroska", "pipe:1"),
    "broadcast.ts": (
        *("-i", "plain.mp4", "-map", "0:v", "-map", "0:a", "-map", "0:v", "-map", "0:a"),
        *("-c", "copy", "-metadata:s:1", "language=eng", "-metadata:s:3", "language=fra"),
        *("-program", "title=First:st=0:st=1", "-program", "title=Second:st=2:st=3"),
    ),
    "shared.ts": (  # one picture, two programs
        *("-i", "plain.mp4", "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"),
        *("-program", "st=0:st=1", "-program", "st=0:st=1:st=2"),
    ),
    "surround.mkv": (
        *("-i", "plain.mp4", "-c:v", "libvpx-vp9", "-c:a", "ac3", "-af", "pan=5.1|FC=c0"),
        *("-b:v", "100k", "-b:a", "192k"),
    ),
    "dvd.mpg": ("-i", "plain.mp4", "-c:v", "mpeg2video", "-c:a", "mp2", "-f", "dvd"),
    "old.avi": ("-i", "plain.mp4", "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "stream.flv": ("-i", "plain.mp4", *COPY),
    "phone.3gp": ("-i", "plain.mp4", "-c:v", "mpeg4", "-c:a", "aac", "-ar", "16000"),
    "liar.mkv": ("-i", "plain.mp4", *COPY, *LIES),
    "sound.wav": ("-i", "plain.mp4", "-vn"),
}


def main() -> None:
    """Make the files, and let each ffmpeg describe them."""
    maker, *others = map(os.path.abspath, sys.argv[1:])
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "words.srt").write_text(WORDS)
        (place / "tags.txt").write_text(TAGS)
        (place / "font.ttf").write_bytes(b"no font, but bytes" * 9)
        for name, recipe in RECIPES.items():
            make(maker, place, name, recipe)
        (place / "words.mp4").write_bytes(b"no film, only words\n" * 50)
        (place / "half.mp4").write_bytes((place / "plain.mp4").read_bytes()[:4000])
        names = [*(name for name in RECIPES if name != "cover.jpg"), "words.mp4", "half.mp4"]
        for program in (maker, *others):
            describe(program, place, names)


def make(maker: str, folder: Path, name: str, recipe: tuple[str, ...]) -> None:
    """Run a recipe; what goes into a pipe was never closed, as a live recording."""
    piped = recipe[-1] == "pipe:1"
    argv = [maker, "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *recipe]
    done = subprocess.run(
        argv if piped else [*argv, name], cwd=folder, check=True, stdout=subprocess.PIPE
    )
    if piped:
        (folder / name).write_bytes(done.stdout)


def describe(program: str, folder: Path, names: list[str]) -> None:
    """Write what an ffmpeg prints of each file, in the folder named for its version."""
    said = subprocess.run([program, "-version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"ffmpeg version n?([\d.]+\d)", said)
    assert found, said
    target = GOLDEN / found[1]
    target.mkdir(parents=True, exist_ok=True)
    # Static builds die in the system's character tables, at the name of a broadcast's service.
    environment = {**os.environ, "GCONV_PATH": "/nonexistent"} if "-static" in said else None
    for name in names:
        argv = [program, "-hide_banner", "-nostdin", "-i", f"file:{name}"]
        done = subprocess.run(argv, cwd=folder, stderr=subprocess.PIPE, env=environment)
        assert done.returncode >= 0, f"{program} died of signal {-done.returncode} at {name}"
        text = re.sub(r"@ 0x[0-9a-f]+\]", "@ 0x0]", done.stderr.decode())
        (target / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    main()

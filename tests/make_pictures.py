"""Make the pictures of docs/pictures.md: an overview, a file's page, a preview, a plot.

    python tests/make_pictures.py

Needs Chromium with its driver, and what `avsync[report]` brings. All that is shown is measured.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from browser import browser, show
from talking_face import AAC, click_and_flash, write_talking_face

DOCS = Path(__file__).parent.parent / "docs"
DEMO = DOCS / "talking.mp4"
OFFSETS_MS = (-240, -160, -120, -80, -55, -40, -20, -10, 0, 10, 25, 40, 60, 120)
WIDTH, HEIGHT = 1280, 1180
PREVIEW_SECONDS = 3.0


def main() -> None:
    """Write docs/overview.png, file.png, preview.jpg and plot.png."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(DEMO, folder)
        plot = ("--plot", DOCS / "plot.png", "--force")
        _avsync(folder, "detect", DEMO.name, "--report", "file.html", *plot)
        _avsync(folder, "preview", DEMO.name, "-o", "preview.mp4", "--side-by-side")
        _make_batch(folder / "takes")
        _avsync(folder, "detect", "takes", "--report", "pages")
        capture = cv2.VideoCapture(str(folder / "preview.mp4"))
        capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * PREVIEW_SECONDS)
        cv2.imwrite(str(DOCS / "preview.jpg"), capture.read()[1])
        with browser() as driver:
            for picture, page in (
                ("overview.png", folder / "pages" / "index.html"),
                ("file.png", folder / "file.html"),
            ):
                show(driver, page, WIDTH, height=HEIGHT if picture == "overview.png" else 1760)
                time.sleep(1)
                driver.save_screenshot(str(DOCS / picture))


def _make_batch(folder: Path) -> None:
    folder.mkdir()
    for number, ms in enumerate(OFFSETS_MS, 1):
        path = folder / f"take {number:02}.mp4"
        write_talking_face(path, seconds=6.0, sound_early_ms=ms, size=(320, 180), options=AAC)
    click_and_flash(folder / "slate.mp4")
    (folder / "broken.mp4").write_bytes(b"not a video" * 99)


def _avsync(folder: Path, *arguments: str | Path) -> None:
    """Run the command in a folder; what it cannot tell is shown, too."""
    subprocess.run([sys.executable, "-m", "avsync", *map(str, arguments)], check=False, cwd=folder)


if __name__ == "__main__":
    main()

"""A browser plays what was fixed: where its sound and its picture come out, by its own clocks."""

import json
import queue
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from timeline import EVENTS, H264, make_clicks

from avsync.media.container import take_inventory
from avsync.remux.move import Move, write_proved
from avsync.remux.options import RemuxOptions
from avsync.remux.plan import AudioCorrection

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--mute-audio"),
)

# The sound goes through Web Audio, whose samples are looked at as they pass; the picture is looked
# at whenever a new frame is shown. Both are put on the clock of performance.now().
PAGE = """<!doctype html><body><video id=v src="FILE" width=160 height=120></video><script>
const v = document.getElementById("v"), clicks = [], flashes = [], frames = [];
const pen = Object.assign(document.createElement("canvas"), {width: 8, height: 8}).getContext("2d");
let lit = false, last = 0;
function look(now, frame) {
  pen.drawImage(v, 0, 0, 8, 8);
  const bright = pen.getImageData(4, 4, 1, 1).data[0] > 128;
  frames.push([frame.mediaTime, frame.expectedDisplayTime]);
  if (bright && !lit) flashes.push([frame.mediaTime, frame.expectedDisplayTime]);
  lit = bright;
  v.requestVideoFrameCallback(look);
}
const context = new AudioContext();
const code = `registerProcessor("ear", class extends AudioWorkletProcessor {
  process(inputs) {
    const samples = inputs[0][0] || [];
    for (let i = 0; i < samples.length; i++)
      if (Math.abs(samples[i]) > 0.3) this.port.postMessage(currentTime + i / sampleRate);
    return true;
  }})`;
async function start() {
  await context.audioWorklet.addModule(URL.createObjectURL(
    new Blob([code], {type: "text/javascript"})));
  const ear = new AudioWorkletNode(context, "ear");
  context.createMediaElementSource(v).connect(ear);
  ear.connect(context.destination);
  ear.port.onmessage = message => {
    if (message.data - last > 0.2) {
      const stamp = context.getOutputTimestamp();
      clicks.push([message.data, stamp.performanceTime
        + 1000 * (message.data - stamp.contextTime)]);
    }
    last = message.data;
  };
  v.requestVideoFrameCallback(look);
  await context.resume();
  await v.play();
}
const tell = what => fetch("/result", {method: "POST", body: JSON.stringify(what)});
v.onended = () => tell({clicks, flashes, frames});
v.onerror = () => tell({error: v.error.message});
start();
</script>"""


class Server(ThreadingHTTPServer):
    """Quiet about browsers that leave in the middle."""

    def handle_error(self, *_: object) -> None:
        """Says nothing."""


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what the page reports."""

    results: queue.Queue[dict[str, list[list[float]]]]

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.results.put(json.loads(data))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Says nothing."""


def played(path: Path, profile: Path) -> dict[str, list[list[float]]]:
    """What a browser heard and saw: (time in the stream, ms by the clock on the wall) of each."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    (path.parent / "page.html").write_text(PAGE.replace("FILE", path.name))
    results: queue.Queue[dict[str, list[list[float]]]] = queue.Queue()
    handler = type("Here", (Handler,), {"results": results})
    with Server(("127.0.0.1", 0), partial(handler, directory=str(path.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_address[1]}/page.html"
        argv = [browser, *FLAGS, f"--user-data-dir={profile}", page]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL, **quiet) as process:  # type: ignore[call-overload]
            try:
                return results.get(timeout=60)
            finally:
                process.terminate()
                server.shutdown()


def lag_ms(path: Path, profile: Path) -> float:
    """How much later than the flashes the clicks were, by the clock on the wall."""
    result = played(path, profile)
    assert "error" not in result, result
    clicks, flashes, frames = (np.array(result[name]) for name in ("clicks", "flashes", "frames"))
    assert len(clicks) == len(EVENTS) and len(flashes) >= 2, result
    # A busy machine drops frames: all that were shown together tell when the picture began.
    near = np.abs(flashes[:, :1] - EVENTS).min(axis=1)
    assert np.median(near) < 0.1, result
    began_ms = np.median(frames[:, 1] - 1000 * frames[:, 0])
    return float(np.median(clicks[:, 1] - 1000 * EVENTS) - began_ms)


@pytest.mark.slow
@pytest.mark.parametrize("offset_ms", [300, -300])
def test_a_browser_plays_the_sound_where_it_was_put(tmp_path: Path, offset_ms: int) -> None:
    """A picture may be shown a frame late, and the machine may be busy: 60 ms are allowed for."""
    source, out = make_clicks(tmp_path / "in.mp4", *H264, "-c:a", "aac"), tmp_path / "out.mp4"
    written = write_proved(
        Move(take_inventory(source), out, AudioCorrection(offset_ms), RemuxOptions()), out
    )
    assert not written.doubts
    before, after = lag_ms(source, tmp_path / "one"), lag_ms(out, tmp_path / "two")
    assert after - before == pytest.approx(offset_ms, abs=60)

"""Files are fetched once, whole and right, or not at all; against a real HTTP server."""

import gc
import hashlib
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from avsync.errors import DownloadError
from avsync.system.downloads import RemoteFile, fetch, is_intact, sha256_of

BODY = bytes(range(256)) * 1000  # several chunks
SHA256 = hashlib.sha256(BODY).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path == "/garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            return
        found = self.path in ("/whole", "/broken", "/broken-chunks", "/no-length")
        self.send_response(200 if found else 404)
        if self.path == "/broken-chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"1000\r\n" + BODY[:100])
            return
        length = len(BODY) if found else 0
        if self.path != "/no-length":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(BODY[: length // 2 if self.path == "/broken" else length])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """A connection that was not closed is a warning when it is collected, and so a failure."""
    yield
    gc.collect()


@pytest.fixture
def requests() -> list[str]:
    """Paths that the server was asked for."""
    return []


@pytest.fixture
def server(requests: list[str]) -> Iterator[str]:
    """Address of a server on this machine."""
    handler = type("Handler", (_Handler,), {"requests": requests, "protocol_version": "HTTP/1.1"})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def closed_address() -> str:
    """An address at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_fetches_with_progress_and_checksum(server: str, tmp_path: Path) -> None:
    heard: list[tuple[str, float, float | None]] = []
    remote = RemoteFile("x.bin", f"{server}/whole", SHA256)

    path = fetch(remote, tmp_path / "a" / "b", lambda *told: heard.append(told))

    assert path == tmp_path / "a" / "b" / "x.bin"
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir()] == ["x.bin"]
    assert path.stat().st_mode & 0o777 == 0o644
    done = [d for _, d, _ in heard]
    assert len(done) > 1
    assert done == sorted(done)
    assert heard[-1] == ("downloading x.bin", len(BODY), len(BODY))


def test_total_is_unknown_where_the_server_does_not_say(server: str, tmp_path: Path) -> None:
    totals: set[float | None] = set()
    remote = RemoteFile("x.bin", f"{server}/no-length", SHA256)

    assert fetch(remote, tmp_path, lambda _what, _done, total: totals.add(total)).is_file()
    assert totals == {None}


def test_an_intact_file_is_not_asked_for_again(
    server: str, requests: list[str], tmp_path: Path
) -> None:
    remote = RemoteFile("x.bin", f"{server}/whole", SHA256)
    fetch(remote, tmp_path)
    fetch(remote, tmp_path)
    assert requests == ["/whole"]


def test_a_damaged_copy_is_replaced(server: str, tmp_path: Path) -> None:
    remote = RemoteFile("x.bin", f"{server}/whole", SHA256)
    (tmp_path / "x.bin").write_bytes(BODY[:-1])
    assert not is_intact(tmp_path / "x.bin", remote)
    assert sha256_of(fetch(remote, tmp_path)) == SHA256


@pytest.mark.parametrize(
    ("path", "sha256", "says"),
    [
        ("/whole", "0" * 64, "wrong checksum"),
        ("/missing", SHA256, "Not Found"),
        ("/broken", SHA256, None),
        ("/broken", "", None),
        ("/broken-chunks", "", None),
        ("/garbage", "", None),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    server: str, tmp_path: Path, path: str, sha256: str, says: str | None
) -> None:
    with pytest.raises(DownloadError, match=says) as caught:
        fetch(RemoteFile("x.bin", f"{server}{path}", sha256), tmp_path)
    assert f"download {server}{path} elsewhere" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_refused_connection(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused"):
        fetch(RemoteFile("x.bin", closed_address(), SHA256), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failed_download_keeps_the_copy_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"older")
    with pytest.raises(DownloadError):
        fetch(RemoteFile("x.bin", closed_address(), SHA256), tmp_path)
    assert (tmp_path / "x.bin").read_bytes() == b"older"


def test_a_folder_that_cannot_be_made(server: str, requests: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="Not a directory"):
        fetch(RemoteFile("x.bin", f"{server}/whole", SHA256), tmp_path / "file" / "folder")
    assert not requests

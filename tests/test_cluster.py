"""Two Ray nodes as real processes: the answers of the local run, also when one node is killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batches import fields_of, next_line, running
from conftest import Command
from talking_face import write_talking_face


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two nodes of one core each; skips where Ray is not installed."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # listen on 127.0.0.1 only
    utilities = pytest.importorskip("ray.cluster_utils")
    node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = utilities.Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ten talking faces, out of step by different amounts, and a broken file."""
    folder = tmp_path_factory.mktemp("faces")
    for early_ms in (-120.0, 0.0):
        path = folder / f"{early_ms}.mp4"
        write_talking_face(path, seconds=2.4, sound_early_ms=early_ms, size=(416, 234))
        for number in range(4):
            os.link(path, folder / f"{early_ms} {number}.mp4")
    (folder / "broken.mp4").write_text("This is no video.\n")
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_the_answers_of_a_local_run_also_when_a_node_is_killed(
    avsync: Command, nodes: Any, faces: Path
) -> None:
    command = ("detect", faces, "--jsonl")
    local = fields_of(avsync(*command, "--jobs", "1").stdout.splitlines())
    assert len(local) == 11
    remote = ("--engine", "ray", "--ray-address", nodes.address)
    with running(*command, *remote, "--verbose") as process:
        lines = [next_line(process) for _ in range(3)]
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        rest, errors = process.communicate(timeout=300)
    spread = fields_of([*lines, *rest.splitlines()])
    by_path = {fields["path"]: fields for fields in local}
    assert sorted(fields["path"] for fields in spread) == sorted(by_path)
    assert spread == [by_path[fields["path"]] for fields in spread], errors
    assert process.returncode == 1 and "Traceback" not in errors


@pytest.mark.slow
def test_a_cluster_for_this_run(avsync: Command, faces: Path) -> None:
    pytest.importorskip("ray")
    names = sorted(faces.iterdir())[:2]
    command = ("detect", *names, "--jsonl", "--ordered")
    done = avsync(*command, "--engine", "ray", "--jobs", "1")
    assert done.stdout == avsync(*command).stdout and done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


def test_without_ray(avsync: Command, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError")
    places = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = avsync("detect", faces, "--engine", "ray",
                  env={**os.environ, "PYTHONPATH": places})  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "avsync: Ray is missing: pip install 'avsync[ray]'\n"


def test_a_cluster_that_is_not_there(avsync: Command, faces: Path) -> None:
    pytest.importorskip("ray")
    environment = {**os.environ, "RAY_gcs_server_rpc_server_reconnect_timeout_s": "1"}
    done = avsync("detect", faces, "--engine", "ray", "--ray-address", "127.0.0.1:1",
                  env=environment)  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert "Ray at 127.0.0.1:1: no cluster to be had" in done.stderr
    assert len(done.stderr.splitlines()) == 1

"""Workers on many machines: actors of a Ray cluster, each of which loads the tools once.

The weights and the detector's files travel through Ray's object store, once to each machine; the
videos do not: every machine must see them under the same names, and have this avsync installed. A
file whose worker is lost, with its machine or alone, is done again by another.
"""

import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from avsync.batch.tasks import Request, WorkerLostError
from avsync.errors import AvsyncError, WorkersError
from avsync.pipeline.options import DetectOptions
from avsync.system.resources import spare_memory

OpenWork = Callable[[DetectOptions, int], Callable[[Request], Any]]
STORE_BYTES = 256 << 20  # of a local cluster: weights, and reports on their way
WORKERS_ON_A_GPU = 4
CONNECT_SECONDS = 10.0
LOOK_SECONDS = 1.0  # between looks whether a worker has found a place
PATIENCE_SECONDS = 120.0  # without a single worker, before the run is given up


@dataclass(slots=True)
class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes
    ----------
    ray : Any
        The module.
    cores : int
        That it has.
    actor : Any
        What makes an actor.
    parcel : Any
        In the object store: what an actor needs to open.
    at_work : set['RayWorker']
        Workers that are open.
    """

    ray: Any
    cores: int
    actor: Any
    parcel: Any
    at_work: set["RayWorker"]

    def make(self) -> "RayWorker":
        """A worker that takes a core wherever one is free, at once or later."""
        return RayWorker(self)


class RayWorker:
    """An actor somewhere in the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._actor = cluster.actor.remote()
        self._closed = threading.Event()

    def open(self) -> None:
        """Wait for a place, then for the tools. Raises what loading raised, or WorkerLostError."""
        opened = self._actor.open.remote(self._cluster.parcel)
        since = monotonic()
        while not self._ray.wait([opened], timeout=LOOK_SECONDS)[0]:
            if self._closed.is_set():
                raise WorkerLostError("is not wanted any more")
            if self._cluster.at_work:
                since = monotonic()
            elif monotonic() - since > PATIENCE_SECONDS:
                raise WorkersError("the Ray cluster has no free core: look at it with `ray status`")
        error = self._get(opened, None)
        if isinstance(error, AvsyncError):
            raise error
        self._cluster.at_work.add(self)

    def measure(self, order: Request, timeout_seconds: float | None) -> Any:
        """Measure a file; raises WorkerLostError where the actor is gone, or TimeoutError."""
        return self._get(self._actor.measure.remote(order), timeout_seconds)

    def close(self) -> None:
        """Kill the actor, once: the connection may be gone the second time."""
        if not self._closed.is_set():
            self._closed.set()
            self._cluster.at_work.discard(self)
            self._ray.kill(self._actor)

    def _get(self, reference: Any, timeout_seconds: float | None) -> object:
        try:
            return self._ray.get(reference, timeout=timeout_seconds)
        except self._ray.exceptions.GetTimeoutError as error:
            raise TimeoutError from error
        except self._ray.exceptions.RayError as error:
            raise WorkerLostError(f"was lost ({str(error).splitlines()[0]})") from error


@contextmanager
def connect(
    open_work: OpenWork,
    options: DetectOptions,
    files: Sequence[Path],
    address: str | None,
    jobs: int,
) -> Iterator[Cluster]:
    """A connection to a cluster, ready to make workers.

    `open_work` loads the tools in an actor; `files` are the face detector's. Without an address,
    a cluster of `jobs` cores is started on this machine, reachable from it alone, and ended with
    the connection. Raises WorkersError where there is no Ray or no cluster.
    """
    with ExitStack() as stack:
        ray = _import_ray(alone=address is None)
        # Where a machine is lost, Ray tells stdout of it, among the answers.
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        try:
            _start_or_join(ray, address, jobs, stack)
        except (OSError, RuntimeError, ValueError) as error:
            where = f"Ray at {address}" if address else "Ray"
            words = " ".join(str(error).split())
            raise WorkersError(
                f"{where}: no cluster to be had ({words}); see `ray status`"
            ) from error
        weights = Path(options.weights)
        parcel = _Parcel(
            open_work,
            replace(options, weights=weights.name),
            weights.read_bytes(),
            {path.name: path.read_bytes() for path in files},
        )
        gpus = 1 / WORKERS_ON_A_GPU if options.device == "cuda" else 0
        actor = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Actor)
        cores = int(ray.cluster_resources().get("CPU", 1))
        yield Cluster(ray, cores, actor, ray.put(parcel), set())


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What an actor needs, wherever it is."""

    open_work: OpenWork
    options: DetectOptions  # with the file name of the weights
    weights: bytes
    detector_files: dict[str, bytes]


class _Actor:
    """What runs on the machines of the cluster."""

    _measure: Callable[[Request], Any]

    def open(self, parcel: _Parcel) -> AvsyncError | None:
        """Load the tools; gives back the error where they cannot be loaded."""
        with tempfile.TemporaryDirectory(prefix="avsync-") as folder:
            weights = Path(folder) / parcel.options.weights
            weights.write_bytes(parcel.weights)
            checkpoints = Path(folder) / "hub" / "checkpoints"
            checkpoints.mkdir(parents=True)
            for name, data in parcel.detector_files.items():
                (checkpoints / name).write_bytes(data)
            os.environ["TORCH_HOME"] = folder
            options = replace(parcel.options, weights=os.fspath(weights))
            spare_memory()
            try:
                self._measure = parcel.open_work(options, 1)
            except AvsyncError as error:
                return error
        return None

    def measure(self, path: str) -> Any:
        """Measure a file."""
        return self._measure(path)


def _import_ray(alone: bool) -> Any:
    # Read when Ray is imported: no statistics to its makers, no word on devices it leaves alone,
    # and, for a cluster of one machine, what Ray does on macOS: listen on 127.0.0.1 only.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if alone:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    try:
        import ray
    except ImportError as error:
        raise WorkersError("Ray is missing: pip install 'avsync[ray]'") from error
    return ray


def _start_or_join(ray: Any, address: str | None, jobs: int, stack: ExitStack) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address:
        host, _, port = address.rpartition(":")
        if port.isdigit() and "/" not in host:  # Ray itself would take a minute to give it up
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        stack.callback(ray.shutdown)
        ray.init(address=address, **quiet)
        return
    # Sockets are made below this folder, and their paths may have a hundred letters.
    short = "/tmp" if os.path.isdir("/tmp") else None
    folder = tempfile.TemporaryDirectory(prefix="avsync-", dir=short, ignore_cleanup_errors=True)
    place = stack.enter_context(folder)
    stack.callback(ray.shutdown)  # before the folder goes
    ray.init(
        address="local",
        num_cpus=jobs,
        include_dashboard=False,
        object_store_memory=STORE_BYTES,
        _temp_dir=place,
        **quiet,
    )

"""What the machine allows: cores and memory, as limited by its containers; and sparing them."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

WORKER_BYTES = 700 << 20  # what a worker holds at most on HD video, with its ffmpeg
MOST_ON_A_GPU = 8  # workers that share one: each has a context of its own, of some 500 MB
# Variables that oneDNN, and torch's layer above it, read when torch is imported.
SHAPE_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
MOST_SHAPES = "64"
MOST_HEAPS = -8  # glibc's M_ARENA_MAX
CGROUP = Path("/sys/fs/cgroup")
GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA's, of Windows's Linux, AMD's


def default_jobs(device: str = "cpu") -> int:
    """How many files to measure at once: what cores and free memory allow, 1 at least."""
    jobs = min(cores(), free_bytes() // WORKER_BYTES)
    if device != "cpu" and has_gpu():
        jobs = min(jobs, MOST_ON_A_GPU)
    return max(1, jobs)


def has_gpu() -> bool:
    """Whether a GPU that torch could use may be here: seen by its driver, without torch."""
    if platform.system() == "Windows":  # there only torch knows
        return True
    return any(map(os.path.exists, GPU_DRIVERS))


def cores() -> int:
    """Processor cores that this process may use."""
    count = len(allowed_cores()) or os.cpu_count() or 1
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        count = min(count, -(-int(quota) // int(period)))
    return max(1, count)


def allowed_cores() -> set[int]:
    """Numbers of the processor cores that this process may run on; none where nobody says."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    return set(allowed(0)) if allowed else set()


def free_bytes() -> int:
    """Memory that can be taken without swapping; a great number where nobody says."""
    limits = [1 << 50]
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(int(line.split()[1]) * 1024)
    most, used = _read(CGROUP / "memory.max"), _read(CGROUP / "memory.current")
    if most.isdigit() and used.isdigit():
        limits.append(int(most) - int(used))
    return max(0, min(limits))


def spare_memory() -> None:
    """Keep memory from growing with the number of files; to be called before torch is imported.

    oneDNN and torch each keep what they prepared for the last thousand shapes, and clips of any
    length are shapes of their own: 64 are enough. glibc gives threads heaps of their own; what
    threads that come and go with the files leave there is too scattered to be given back. Without
    this, workers grew by a fifth in 1,400 files. What the user has set stays.
    """
    for name in SHAPE_CACHES:
        os.environ.setdefault(name, MOST_SHAPES)
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(MOST_HEAPS, 1)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

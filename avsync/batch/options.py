"""How many files are done at once, and where."""

from dataclasses import dataclass

from avsync.errors import UsageError

ENGINES = ("local", "ray")
LONGEST_SECONDS = 7 * 86400  # that a pipe is waited for: the system counts milliseconds in 32 bits


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How many files are done at once, and where.

    Attributes
    ----------
    jobs : int or None
        At once; None: what cores and memory allow.
    timeout_seconds : float or None
        For one file.
    ordered : bool
        Answers in the order of the files, not of completion.
    engine : str
        local: processes on this machine; ray: a Ray cluster.
    ray_address : str or None
        Of the cluster's head; None: a cluster for this run, on this machine.

    Raises
    ------
    UsageError
        Where a value makes no sense.

    Examples
    --------
    >>> BatchOptions(jobs=4, timeout_seconds=600.0).engine
    'local'
    """

    jobs: int | None = None
    timeout_seconds: float | None = None
    ordered: bool = False
    engine: str = "local"
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise UsageError("1 or more", "jobs", self.jobs)
        if self.timeout_seconds is not None and not 0 < self.timeout_seconds <= LONGEST_SECONDS:
            why = "more than 0 seconds, and a week at most"
            raise UsageError(why, "timeout_seconds", self.timeout_seconds)
        if self.engine not in ENGINES:
            raise UsageError(f"choose {' or '.join(ENGINES)}", "engine", self.engine)
        if self.ray_address and self.engine != "ray":
            raise UsageError("only with the engine ray", "ray_address", self.ray_address)

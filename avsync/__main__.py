"""`python -m avsync`, and the entry point of the `avsync` command."""

import gc
import os
import signal
import sys

# Matrices of numpy's are small here: threads would wait for each other longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Run the command."""
    try:
        from avsync.cli import app
        from avsync.system.resources import spare_memory

        spare_memory()
        app(prog_name="avsync")
    except KeyboardInterrupt:  # before the command has begun
        sys.exit(128 + signal.SIGINT)
    finally:
        gc.freeze()  # else Python goes through all of torch's objects, several times, as it ends


if __name__ == "__main__":
    main()

"""`python -m avsync`, and the entry point of the `avsync` command."""

import signal
import sys


def main() -> None:
    """Run the command."""
    try:
        from avsync.cli import app

        app(prog_name="avsync")
    except KeyboardInterrupt:  # before the command has begun
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()

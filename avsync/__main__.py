"""`python -m avsync`, and the entry point of the `avsync` command."""


def main() -> None:
    """Run the command."""
    from avsync.cli import app

    app(prog_name="avsync")


if __name__ == "__main__":
    main()

"""`avsync weights ...`."""

import os
from typing import Annotated

import typer

from avsync.cli.progress import progress_bar
from avsync.errors import AvsyncError, UsageError

app = typer.Typer(no_args_is_help=True, help="List, fetch and check network weights.")


@app.command("list")
def weights_list() -> None:
    """Show the weights that can be named, and whether they are here."""
    from avsync.model import weights

    for name, what in weights.KNOWN.items():
        try:
            place = os.fspath(weights.find(name))
        except AvsyncError:
            place = "not here" + (f": avsync weights fetch {name}" if name != "default" else "")
        print(f"{name:<12} {what:<55} {place}")


@app.command("info")
def weights_info(
    name: Annotated[str, typer.Argument(help="default, syncnet_v2 or a weights file.")] = "default",
) -> None:
    """Say what a weights file is: network, crop, calibration, where it comes from (JSON)."""
    import json
    from dataclasses import asdict

    from avsync.model import weights

    loaded = weights.load(name)
    facts = {
        "name": loaded.name,
        "path": os.fspath(loaded.path),
        "sha256": loaded.sha256,
        "config": asdict(loaded.config),
        "calibration": loaded.calibration,
        "provenance": loaded.provenance,
    }
    print(json.dumps(facts, indent=2))


@app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="syncnet_v2.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Download public weights into the user's cache, and check them."""
    from avsync.model import weights

    if name != "syncnet_v2":
        raise UsageError(f"{name}: only syncnet_v2 is fetched; default comes with avsync")
    with progress_bar(quiet) as progress:
        path = weights.fetch_syncnet_v2(progress)
    print(path)


@app.command("verify")
def weights_verify(
    name: Annotated[str, typer.Argument(help="default, syncnet_v2 or a weights file.")] = "default",
) -> None:
    """Check a weights file from end to end."""
    from avsync.model import weights

    print(f"{weights.verify(name)}: intact")

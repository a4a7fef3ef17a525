"""Puts manual pages, made from the program itself, into the wheel."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface[Any]):
    """Writes the pages below `build/man`, and has them installed as `share/man/man1`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a wheel is built."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        sys.path[:0] = [str(root), str(root / "docs" / "hooks")]
        from manual import write

        for page in write(root / "build" / "man"):
            build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"

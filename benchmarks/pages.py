"""Pages in Markdown that programs write: each has sections of its own."""

import re
from pathlib import Path


def replace_section(page: Path, title: str, name: str, text: str) -> None:
    """Put a section under its heading, in the place of the one that is there."""
    old = page.read_text(encoding="utf-8") if page.exists() else f"# {title}\n"
    head, *sections = re.split(r"^## ", old, flags=re.MULTILINE)
    new = f"{name}\n\n{text}\n"
    kept = {part.split("\n", 1)[0]: part for part in sections} | {name: new}
    parts = [head, *(kept[name] for name in sorted(kept))]
    page.write_text("\n## ".join(part.strip() + "\n" for part in parts), encoding="utf-8")

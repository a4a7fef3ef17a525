"""Write what the commands of the documents print into them.

python tests/make_guides.py docs/guides/fix-one-file.md ...
"""

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from console import BLOCK, furnish, is_run, run, steps


def main() -> None:
    """Run each page from top to bottom."""
    for name in sys.argv[1:]:
        with TemporaryDirectory() as folder:
            os.environ |= {"TORCH_HOME": f"{folder}/.torch", "AVSYNC_CACHE": f"{folder}/.cache"}
            furnish(Path(folder))
            page = Path(name)
            page.write_text(_rewritten(page.read_text(), Path(folder)))


def _rewritten(text: str, folder: Path) -> str:
    last = 0

    def again(match: re.Match[str]) -> str:
        nonlocal last
        if match[2] != "console":
            return match[0]
        lines = []
        for step in steps(match[3]):
            lines.append("$ " + step.command.replace("\n", "\n> "))
            if is_run(step.command):
                done = run(step.command, folder, last=last)
                lines += [done.stdout.rstrip("\n")] if done.stdout else []
                last = done.returncode
            elif step.printed:
                lines.append(step.printed)
        return "```console\n" + "\n".join(lines) + "\n```"

    return BLOCK.sub(again, text)


if __name__ == "__main__":
    main()

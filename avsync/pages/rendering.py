"""Templates become pages that stand alone: style and scripts inside, nothing fetched, nothing run.

All that comes from a file's name or tags is escaped by jinja2; should any of it get through, the
page's own policy lets no script run but those written here.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from avsync.errors import ToolMissingError

if TYPE_CHECKING:
    from jinja2 import Environment

INSTALL = "pip install 'avsync[report]'"
POLICY = (
    "default-src 'none'; img-src data:; media-src 'self' file: data: blob:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def render(template: str, scripts: tuple[str, ...], **values: Any) -> str:
    """A page. Raises ToolMissingError where jinja2 is not installed."""
    code = "\n".join(_text(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = f"{POLICY}; script-src 'sha256-{digest}'" if code else POLICY
    page = _environment().get_template(template)
    return page.render(style=_text("page.css"), code=code, policy=policy, **values)


def printable(text: str) -> str:
    """A text that any page can hold: odd bytes as a mark, control letters spelt out.

    >>> printable("a\\nb" + chr(0xDCE9))
    'a\\\\nb\\ufffd'
    """
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda c: c[0].encode("unicode_escape").decode(), text)


@cache
def _environment() -> "Environment":
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ToolMissingError(f"pages need jinja2: {INSTALL}") from error
    made = Environment(
        loader=PackageLoader("avsync.pages"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["printable"] = printable
    return made


@cache
def _text(name: str) -> str:
    return (files("avsync.pages") / "templates" / name).read_text(encoding="utf-8")

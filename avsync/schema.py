"""The JSON schema of reports, written from their types and docstrings.

JSON Schema, draft 2020-12 (json-schema.org): https://json-schema.org/draft/2020-12
"""

import inspect
import re
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from avsync.clips import ClipsReport, TalkingClip
from avsync.findings import Source, UpstreamScores
from avsync.remux.report import FixReport
from avsync.report import UPSTREAM_NAMES, SyncReport
from avsync.speakers import SpeakerReport, SpeakingFace

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}

Schema = dict[str, Any]
FACE_EXTRA: Schema = {  # that `to_dict` tells besides
    "start_seconds": {"type": "number", "description": "When it appears."},
    "end_seconds": {"type": "number", "description": "When it is gone."},
    "box": {
        "type": "array",
        "items": {"type": "number"},
        "description": "Median left, top, width and height, in pixels of the picture.",
    },
}


def schema_of(report: type) -> Schema:
    """The schema of what `to_dict` of a report gives.

    Parameters
    ----------
    report : type
        `SyncReport`, `FixReport`, `SpeakerReport` or `ClipsReport`.

    Returns
    -------
    dict
        That `json.dumps` takes.

    Examples
    --------
    >>> schema_of(SyncReport)["properties"]["status"]["enum"]
    ['ok', 'undetermined', 'error']
    """
    defined: dict[str, Schema] = {}
    schema = _object(report, defined)
    defined.pop(report.__name__, None)
    return {"$schema": DIALECT, "title": report.__name__, **schema, "$defs": defined}


def _object(of: type, defined: dict[str, Schema]) -> Schema:
    """The schema of a dataclass; those that it holds are put into `defined`."""
    properties = _properties(of, defined)
    required = list(properties)
    if of is SyncReport:  # flat, as `to_dict` has it; what is optional there stands among the rest
        required = [name for name in required if name not in ("upstream", "source", "curve")]
        for name, part in ("upstream", UpstreamScores), ("source", Source):
            del properties[name], defined[part.__name__]
            held = _properties(part, defined)
            properties |= {UPSTREAM_NAMES.get(key, key): value for key, value in held.items()}
        said = "The offset in frames of 40 ms."
        properties["offset_frames"] = {"type": ["number", "null"], "description": said}
        required.append("offset_frames")
    if of in (SpeakerReport, ClipsReport):
        required = [name for name in required if name != "source"]
        del properties["source"], defined[Source.__name__]
        properties |= _properties(Source, defined)
    if of is SpeakingFace:
        required = [name for name in required if name not in ("boxes", "scores")]
        properties |= FACE_EXTRA
        required += list(FACE_EXTRA)
    if of is TalkingClip:
        required = [name for name in required if name != "boxes"]
    if of in (SyncReport, FixReport, SpeakerReport, ClipsReport):
        properties["schema_version"] = {"type": "integer", "minimum": 1}
        required.append("schema_version")
    return {
        "type": "object",
        "description": (inspect.getdoc(of) or "").split("\n")[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _properties(of: type, defined: dict[str, Schema]) -> dict[str, Schema]:
    hints = get_type_hints(of, localns={"np": np, "NDArray": NDArray})
    described = _descriptions(of)
    return {
        field.name: {**_of_type(hints[field.name], defined), **described.get(field.name, {})}
        for field in fields(of)
    }


def _of_type(kind: Any, defined: dict[str, Schema]) -> Schema:
    origin, inner = get_origin(kind), get_args(kind)
    if kind in SCALARS:
        return {"type": SCALARS[kind]}
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in defined:
            defined[kind.__name__] = {}  # it may hold itself
            defined[kind.__name__] = _object(kind, defined)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is np.ndarray:
        return {"type": "array"}
    if origin in (Union, UnionType):
        return _any_of([_of_type(one, defined) for one in inner])
    if origin is tuple and inner[-1] is Ellipsis:
        return {"type": "array", "items": _of_type(inner[0], defined)}
    if origin is tuple:
        items = [_of_type(one, defined) for one in inner]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}
    if origin is dict:
        return {"type": "object"}
    raise TypeError(f"{kind}: no JSON schema")


def _any_of(options: list[Schema]) -> Schema:
    if all(list(option) == ["type"] for option in options):
        return {"type": [option["type"] for option in options]}
    return {"anyOf": options}


def _descriptions(of: type) -> dict[str, Schema]:
    """By field: what the numpydoc section "Attributes" says of it."""
    _, _, section = (inspect.getdoc(of) or "").partition("Attributes\n----------\n")
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    found: dict[str, Schema] = {}
    for names, text in re.findall(r"^(\S[^:\n]*) : .*\n((?:    .*\n?|\n(?=    ))+)", section, re.M):
        said = {"description": " ".join(text.split())}
        found |= {name.strip(): said for name in names.split(",")}
    return found

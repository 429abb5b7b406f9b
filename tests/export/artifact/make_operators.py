"""Writes export/artifact/operators.json of the installed onnx: python -m tests.export.artifact.make_operators"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import onnx

FILE = Path(__file__).resolve().parents[3] / "export" / "artifact" / "operators.json"
DOMAINS = ("", "ai.onnx.ml")


def operators_of_onnx() -> dict[str, Any]:
    """What the file holds."""
    living: dict[str, dict[str, dict[int, bool]]] = {domain: defaultdict(dict) for domain in DOMAINS}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain in living:
            living[schema.domain][schema.name][schema.since_version] = not schema.deprecated
    spans = {
        domain: {name: _span(versions) for name, versions in sorted(named.items())} for domain, named in living.items()
    }
    versions = {domain: max(v for named in living[domain].values() for v in named) for domain in DOMAINS}
    versions[""] = onnx.defs.onnx_opset_version()
    return {"onnx": onnx.__version__, "versions": versions, "operators": spans}


def _span(versions: dict[int, bool]) -> list[int]:
    """The first version of the last span in which it lives, and the version that ends it, if one does."""
    span: list[int] = []
    for version, lives in sorted(versions.items()):
        if lives and len(span) != 1:
            span = [version]
        elif not lives and span:
            span = [span[0], version]
    return span


def _as_text(found: dict[str, Any]) -> str:
    """One operator a line: a change is read in the diff."""
    lines = []
    for domain, spans in found["operators"].items():
        body = ",\n".join(f"   {json.dumps(name)}: {span}" for name, span in spans.items())
        lines.append(f"  {json.dumps(domain)}: {{\n{body}\n  }}")
    operators = ",\n".join(lines)
    head = f' "onnx": {json.dumps(found["onnx"])},\n "versions": {json.dumps(found["versions"])}'
    return f'{{\n{head},\n "operators": {{\n{operators}\n }}\n}}\n'


if __name__ == "__main__":
    FILE.write_text(_as_text(operators_of_onnx()), "utf-8")

"""The fork server's module is what `guise live` imports first."""

from __future__ import annotations

import subprocess
import sys

import guise

IMPORT_AND_LIST = """
import sys
before = set(sys.modules)
import {module}
new = set(sys.modules) - before - {{"__mp_main__"}}
new = {{name for name in new if name.partition(".")[0] not in sys.stdlib_module_names}}
print(*sorted(new))
"""


def test_the_module_imported_first_needs_the_standard_library_alone() -> None:
    module = guise.FIRST["live"].partition(":")[0]
    code = IMPORT_AND_LIST.format(module=module)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["live", "live.process", module]

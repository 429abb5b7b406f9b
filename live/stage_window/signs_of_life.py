"""How often the operator's process and the stage window show each other that they live. Without Qt."""

from __future__ import annotations

SIGN_EVERY_S = 0.2
"""How often each side shows the other that it lives."""
SILENT_S = 1.0
"""Without a sign of life from the operator's Qt thread for this long, the audience sees the safe picture."""
END_AFTER_S = 30.0
"""A window without an operator for this long ends itself."""

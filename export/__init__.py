"""From a checkpoint to the stage: the frozen model, its session, and the offline verbs that make and judge it."""

import os

# ONNX Runtime's telemetry leaves a session file in the temporary folder as soon as it is imported; Guise sends nothing.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

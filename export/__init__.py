"""From a checkpoint to a frozen model and its session on the stage; the verbs that freeze a model and the metrics that
measure it."""

import os

# ONNX Runtime's telemetry leaves a session file in the temporary folder as soon as it is imported; Guise sends nothing.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

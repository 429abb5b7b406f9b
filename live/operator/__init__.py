"""The Qt windows: the only place that imports PyQt5. They see the StageManager and shared frames, no engine."""

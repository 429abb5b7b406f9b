"""The home of media: every movie, sound and picture file is opened, read and written here and nowhere else.

`containers.py` opens what FFmpeg reads (movies, sound, URLs) and creates movies; `picture_files.py` and
`sound_files.py` read and write a file as a whole. `sound_recording.py` gives the sound of any file, put right by
`mixdown.py`, `time_stamps.py` and `wild_samples.py`; `sound_resampling.py` brings it to a rate. Free of torch; each
library is loaded where it is needed.
"""

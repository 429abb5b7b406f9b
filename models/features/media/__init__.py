"""The home of media: every movie, sound and picture file is opened, read and written here and nowhere else.

`containers.py` opens what FFmpeg reads (movies, sound, URLs) and creates movies; `stamps.py` mends the times in them.

Pictures: `picture_stream.py` gives those of any file or URL, as a player shows them: `shown_pictures.py` by
`frame_filters.py`, `orientation.py` and `colour.py`. `picture_files.py` reads and writes a picture file as a whole, of
the size that `picture_size.py` allows.

Sound: `sound_recording.py` gives that of any file, piece by piece (`sound_pieces.py`), put right by `wild_samples.py`
and `mixdown.py`; `sound_resampling.py` brings it to a rate. `sound_files.py` reads and writes a sound file as a whole.

`bad_media.py`: what all of them raise. Free of torch; each library is loaded where it is needed.
"""

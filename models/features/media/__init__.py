"""The home of media: every movie, sound and picture file is opened, read and written here and nowhere else.

`containers.py` opens what FFmpeg reads (movies, sound, URLs) and creates movies; `picture_files.py` and
`sound_files.py` read and write a file as a whole. Free of torch; each library is loaded where it is needed.
"""

"""The one exception of preparation: a sentence that says what is wrong with the footage or folder and what to do."""


class DataError(Exception):
    """Footage, recordings or a data set that cannot be used; the message is for the artist."""

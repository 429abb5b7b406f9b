"""How large a picture file is, told by its header: a small file may hold a picture that takes gigabytes and seconds.

Runs in the calling thread and waits for the disk.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from models.features.media.bad_media import BadMedia

MAX_FILE_BYTES = 100_000_000
MAX_AREA_PX = 64 << 20
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


def check_picture_file(path: Path) -> None:
    """Raises BadMedia for what is no file, no picture, or larger than anybody's: nothing is decoded."""
    from PIL import Image  # here: the operator's process starts without it

    try:
        if not path.is_file():
            raise BadMedia(f"{path} is not a file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadMedia(f"{path} has more than {MAX_FILE_BYTES // 1_000_000} MB")
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        raise BadMedia(f"{path} has more than {MAX_AREA_PX >> 20} megapixels") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise BadMedia(f"{path} cannot be read as a picture") from error
    if width * height > MAX_AREA_PX:
        raise BadMedia(f"{path} has more than {MAX_AREA_PX >> 20} megapixels")

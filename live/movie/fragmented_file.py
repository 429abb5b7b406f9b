"""The file of a movie as FFmpeg writes it. Belongs to the encoder's thread.

It is opened and written by calls that give Python's lock back: FFmpeg's own hold it while a disk does not answer.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from live.process.unused_path import unused_path

_FRAGMENT = b"moof"
"""The name of the box that a fragment of an MP4 file begins with."""
LEAST_ROOM_BYTES = 32 << 20
"""A recording goes on where the disk has this much room: on a full one it would end again at once."""


class FragmentedFile:
    """A regular file, which is empty at first. What FFmpeg calls are `write`, `seek` and `tell`."""

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        """keep: a file of this name is kept, and the next unused name taken. Raises OSError; waits for the disk."""
        path = unused_path(path) if keep else path
        # Without O_NONBLOCK the open of a pipe that nobody reads would never return.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_EXCL if keep else 0)
        self._fd = os.open(path, flags, 0o666)
        self.path = path
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.close(self._fd)
            raise OSError(errno.EINVAL, "is no file, but a pipe or a device", str(path))
        os.ftruncate(self._fd, 0)
        self._whole_bytes = 0
        """Where the fragment begins that is being written; all before it is whole."""
        self.error: OSError | None = None
        """Why nothing more is written: FFmpeg tells its caller only that something went wrong."""

    def write(self, data: bytes) -> int:
        """All of it, or OSError: then the file ends with its last whole fragment, and nothing more is written."""
        if self.error is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self.path))
        if data[4:8] == _FRAGMENT:
            self._whole_bytes = self.tell()
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            self.error = error
            with suppress(OSError):
                os.ftruncate(self._fd, self._whole_bytes)
            raise
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._fd, offset, whence)

    def tell(self) -> int:
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def close(self, *, remove: bool = False) -> None:
        """remove: nothing worth keeping was written."""
        with suppress(OSError):
            os.close(self._fd)
        if remove:
            with suppress(OSError):
                self.path.unlink()


def check_room(path: Path) -> None:
    """Raises OSError where the disk has too little room for a recording to go on."""
    if shutil.disk_usage(path.parent).free < LEAST_ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

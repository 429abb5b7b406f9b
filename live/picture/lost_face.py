"""The fade to the safe picture when the performer's face is lost: hold the last picture, then fade.

A pure function of time without clock or thread: the caller passes the time. The raw face is never shown.
"""

from __future__ import annotations

RETURN_S = 0.25
"""The fade back when the face is found again after the safe picture had begun to show."""


class LostFace:
    """Computes the share of the safe picture: 0 none, 1 nothing else."""

    def __init__(self, hold_s: float, fade_s: float, return_s: float = RETURN_S) -> None:
        self.hold_s = hold_s
        self.fade_s = fade_s
        self.return_s = return_s
        self._has_face = False
        self._changed_at_s = float("-inf")
        self._share_at_change = 1.0
        self._face_seen = False

    def update(self, t_s: float, face: bool) -> float:
        """The share of the safe picture at `t_s`, with or without a face in that frame.

        The very first face is shown at once: there is nothing to fade from yet.
        """
        if face and not self._face_seen:
            self._face_seen = True
            self._change(t_s, face, 0.0)
        elif face != self._has_face:
            self._change(t_s, face, self.share(t_s))
        return self.share(t_s)

    def cut(self, t_s: float) -> None:
        """Shows the safe picture at once: the source is gone, or a look failed."""
        self._change(t_s, False, 1.0)

    def share(self, t_s: float) -> float:
        """The share of the safe picture at `t_s`, if nothing has changed since the last update."""
        elapsed_s = t_s - self._changed_at_s
        if self._has_face:
            returned = elapsed_s / self.return_s if self.return_s > 0 else 1.0
            return max(self._share_at_change - returned, 0.0)
        if elapsed_s < self.hold_s:
            return self._share_at_change
        faded = (elapsed_s - self.hold_s) / self.fade_s if self.fade_s > 0 else 1.0
        return min(self._share_at_change + faded, 1.0)

    def _change(self, t_s: float, face: bool, share: float) -> None:
        self._has_face, self._changed_at_s, self._share_at_change = face, t_s, share

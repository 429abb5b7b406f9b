"""Metrics of a look on footage, over pictures and points: for `guise evaluate face` and the benchmark.

Pictures are RGB uint8 (h, w, 3), points float (68, 2) in pixels of their picture. Everything here is a pure function,
except FaceAnalyzer, which holds dlib's networks and belongs to one thread. Free of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from models.features.face_points import RIGID, Box, FacePoints, descriptor_file, eye_distance, openings
from models.features.geometry import Similarity
from models.features.types import Picture, Points

Descriptor = NDArray[np.float64]
"""dlib's 128 numbers: two pictures of one person are within 0.6 of each other, two takes of one person about 0.2."""

OPENINGS = ("mouth", "left_eye", "right_eye")
MIN_TO_CORRELATE = 10


class FaceAnalyzer:
    """Finds the face in a picture and describes whose it is."""

    def __init__(self) -> None:
        """Raises models.features.face_points.LandmarkFileMissing."""
        self._faces = FacePoints()
        self._network = dlib.face_recognition_model_v1(str(descriptor_file()))

    def find_points(self, picture: Picture) -> Points | None:
        """The 68 points of the face detected with most confidence, without tracking; None when there is no face."""
        found = self._find_box(picture)
        return None if found is None else self._faces.fine_points(picture, found)

    def describe(self, picture: Picture) -> Descriptor | None:
        """The descriptor of that face; None when there is no face."""
        found = self._find_box(picture)
        if found is None:
            return None
        return self._describe_box(picture, found)

    def find_and_describe(self, picture: Picture) -> tuple[Points, Descriptor] | None:
        """`find_points` and `describe` for the price of one detection."""
        found = self._find_box(picture)
        if found is None:
            return None
        return self._faces.fine_points(picture, found), self._describe_box(picture, found)

    def _find_box(self, picture: Picture) -> Box | None:
        faces = self._faces.detect(picture) or self._faces.detect(picture, 2.0)
        return faces[0].box if faces else None

    def _describe_box(self, picture: Picture, box: Box) -> Descriptor:
        points = [dlib.point(int(x), int(y)) for x, y in self._faces.points(picture, box)]
        shape = dlib.full_object_detection(dlib.rectangle(*box), points)
        return np.array(self._network.compute_face_descriptor(picture, shape), np.float64)


def mean_descriptor(descriptors: Iterable[Descriptor]) -> Descriptor:
    """The mean over a person's pictures, from which identity distances are measured. Raises ValueError for none."""
    vectors = list(descriptors)
    if not vectors:
        raise ValueError("no face was found, so nobody can be described")
    mean: Descriptor = np.mean(vectors, axis=0)
    return mean


def identity_distance(descriptor: Descriptor, person: Descriptor) -> float:
    """Euclidean distance of a descriptor to a person's mean."""
    return float(np.linalg.norm(descriptor - person))


def expression_error(found: Points, wanted: Points) -> float:
    """Mean distance of the points found in a picture to the points it was generated for, in eye distances of the
    latter."""
    return float(np.linalg.norm(found - wanted, axis=1).mean() / max(eye_distance(wanted), 1e-6))


def openings_fit(found: Sequence[Points], performed: Sequence[Points]) -> dict[str, dict[str, float | None]]:
    """For mouth and eyes: does the opening found follow the performer's (correlation), and how far (gain)?

    The gain is the slope of found over performed by least squares: 1 opens as far, 0.5 half as far. None where the
    performer kept still, or too few faces were found.
    """
    fits: dict[str, dict[str, float | None]] = {}
    found_openings = np.array([openings(p) for p in found], np.float64).reshape(-1, 3)
    performed_openings = np.array([openings(p) for p in performed], np.float64).reshape(-1, 3)
    for i, name in enumerate(OPENINGS):
        x, y = performed_openings[:, i], found_openings[:, i]
        if len(x) < MIN_TO_CORRELATE or x.std() < 1e-6:
            fits[name] = {"correlation": None, "gain": None}
            continue
        gain = float(np.cov(x, y, bias=True)[0, 1] / x.var())
        correlation = float(np.corrcoef(x, y)[0, 1]) if y.std() > 1e-9 else 0.0
        fits[name] = {"correlation": correlation, "gain": gain}
    return fits


def picture_change(before: Picture, after: Picture) -> float:
    """Mean absolute change of a pixel's channel from one frame to the next, of 255."""
    return float(np.abs(after.astype(np.int16) - before).mean())


def points_change(before: Points, after: Points) -> float:
    """Mean movement of a point from one frame to the next, in eye distances."""
    return float(np.linalg.norm(after - before, axis=1).mean() / max(eye_distance(after), 1e-6))


def flicker(generated: Sequence[float], real: Sequence[float]) -> float | None:
    """How much a generated movie changes from frame to frame, relative to the real one; 1 is equal.

    Both are lists of `picture_change` or of `points_change`, over the same frames. None where the real movie is still
    and the generated one is not.
    """
    mean_generated, mean_real = float(np.mean(generated)) if generated else 0.0, float(np.mean(real)) if real else 0.0
    if mean_generated == 0.0:
        return 0.0
    return mean_generated / mean_real if mean_real > 0 else None


def ssim(picture: Picture, real: Picture) -> float:
    """Structural similarity in colour, -1..1; 1 for equal pictures (Wang et al. 2004, by scikit-image)."""
    from skimage.metrics import structural_similarity

    measure: Callable[..., float] = structural_similarity
    return float(measure(picture, real, channel_axis=2, data_range=255))


def l1(picture: Picture, real: Picture) -> float:
    """Mean absolute difference of pixels of 0..1."""
    return float(np.abs(picture.astype(np.int16) - real).mean() / 255)


def sharpness(picture: Picture) -> float:
    """Variance of the Laplacian of the grey picture; low for a blurred one."""
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def aligned_crop(picture: Picture, performer: Points, target: Points, size: int) -> Picture:
    """The part of a frame in which the performer's neutral is aligned with the target's neutral: a picture of `size`.

    It is what a perfect look of the performer themselves would paint from their retargeted points. The similarity
    transform is that of models.features.retarget; beyond the edges the frame is mirrored.
    """
    similarity = _similarity(performer, target)
    scale = abs(similarity.turn)
    to_original = np.eye(3)
    if scale < 1:  # averaged first: the warp below samples four pixels only
        height, width = picture.shape[:2]
        new_size = max(1, round(width * scale)), max(1, round(height * scale))
        x, y = new_size[0] / width, new_size[1] / height
        picture = np.asarray(cv2.resize(picture, new_size, interpolation=cv2.INTER_AREA), np.uint8)
        # Pixel centres: p is at (p + 0.5) * x - 0.5 in the smaller picture.
        to_original = np.array([[1 / x, 0, 0.5 / x - 0.5], [0, 1 / y, 0.5 / y - 0.5], [0, 0, 1]])
    warp = similarity.matrix @ to_original
    border = cv2.BORDER_REFLECT_101
    crop = cv2.warpAffine(picture, warp, (size, size), flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(crop, np.uint8)


def aligned_points(points: Points, performer: Points, target: Points) -> Points:
    """Where points of the frame are in `aligned_crop`."""
    return _similarity(performer, target).moved(points)


def _similarity(performer: Points, target: Points) -> Similarity:
    """Maps the performer's neutral to the target's, by pose_and_residual's fit: from the target to the performer, and
    then inverted."""
    return Similarity.fitted(target[RIGID], performer[RIGID]).inverse

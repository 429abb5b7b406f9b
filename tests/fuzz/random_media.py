"""Random media files: codecs, pixel formats, rates, layouts, rotations, aspects, tags and damage, made by ffmpeg.

What is in them is a talking face where there is real footage, else ffmpeg's test picture and tone.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.conftest import DATA

TALKER = DATA / "video" / "talkerK_woman_with_speech_6s.mp4"
VIDEO = {
    "libx264": ("mp4", "mov", "mkv", "ts", "flv", "avi"),
    "libx265": ("mp4", "mkv"),
    "mpeg4": ("mp4", "avi", "mkv"),
    "mpeg2video": ("mpg", "ts", "mkv"),
    "mjpeg": ("avi", "mov", "mkv"),
    "libvpx": ("webm", "mkv"),
    "libvpx-vp9": ("webm", "mkv", "mp4"),
    "ffv1": ("mkv", "avi"),
    "prores_ks": ("mov", "mkv"),
    "rawvideo": ("avi", "nut", "mkv"),
    "png": ("mov", "mkv"),
    "gif": ("gif",),
    "huffyuv": ("avi", "mkv"),
    "dvvideo": ("avi",),
    "theora": ("ogv",),
}
SOUND = {
    "aac": ("mp4", "mov", "mkv", "mka", "ts", "flv", "m4a", "aac"),
    "libmp3lame": ("mp3", "avi", "mkv", "mov"),
    "libopus": ("webm", "mkv", "opus", "ogg"),
    "libvorbis": ("ogg", "webm", "mkv", "ogv"),
    "flac": ("flac", "mkv", "ogg"),
    "pcm_s16le": ("wav", "avi", "mov", "mkv", "nut"),
    "pcm_f32le": ("wav", "mkv", "mov"),
    "pcm_u8": ("wav", "avi", "mkv"),
    "pcm_s24le": ("wav", "mov", "mkv"),
    "ac3": ("mkv", "mp4", "mov", "ac3", "ts"),
    "alac": ("m4a", "mov"),
    "mp2": ("mpg", "ts", "mkv"),
}
CONTAINERS = ("mp4", "mp4", "mp4", "mov", "mov", "mkv", "mkv", "webm", "avi", "ts", "mpg", "flv", "gif", "nut", "ogv")
"""The commonest come oftenest."""
SOUND_FILES = ("wav", "wav", "mp3", "m4a", "flac", "ogg", "opus", "aac", "ac3", "mka", "mp4", "avi")
PIXELS = (
    *("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "yuv444p16le", "gray", "gray10le", "rgb24", "bgr0"),
    *("gbrp", "yuva420p", "pal8", "nv12", "rgb48le", "rgba", "uyvy422", "monow"),
)
SIZES = ("320x240", "321x241", "64x48", "2x2", "16x1000", "1280x64", "1920x1080", "240x320", "720x576", "1x1")
RATES = ("1", "5", "12.5", "24000/1001", "25", "30000/1001", "30", "60", "240", "1000")
LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.1", "7.1", "3.0")
TAGS = (
    "-colorspace bt709 -color_primaries bt709 -color_trc bt709",
    "-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -color_range pc",
    "-colorspace bt2020nc -color_primaries bt2020 -color_trc arib-std-b67",
    "-colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084",
    "-colorspace rgb",
    "",
)
FILTERS = (
    *("setsar=4/3", "setsar=1/1000", "setsar=1000/1", "setsar=0", "tinterlace=interleave_top,fieldorder=tff"),
    *("hflip", "setpts=PTS*1000", "setpts='if(eq(N,5),PTS+1e9,PTS)'", "setpts=PTS-10/TB", "null", "null", "null"),
)


@dataclass(frozen=True)
class Media:
    """One made file and the command that made it, for the message when something is found."""

    path: Path
    command: str


def make_media(random: Random, folder: Path) -> Media:
    """Makes one file of about a second; what ffmpeg refuses to make is drawn again."""
    for attempt in range(20):
        made = _attempt(random, folder, attempt)
        if made is not None:
            return _damaged(random, made)
    raise RuntimeError("ffmpeg made nothing of twenty draws")


def _attempt(random: Random, folder: Path, attempt: int) -> Media | None:
    has_picture = random.random() < 0.7
    has_sound = not has_picture or random.random() < 0.7
    container = random.choice(CONTAINERS) if has_picture else random.choice(SOUND_FILES)
    video = random.choice([codec for codec, kinds in VIDEO.items() if container in kinds] or list(VIDEO))
    sound = random.choice([codec for codec, kinds in SOUND.items() if container in kinds] or list(SOUND))
    if container == "gif":
        has_sound = False
    out = folder / f"{random.choice(('a', 'a:b', 'a b', 'é', '-a'))}{attempt}.{container}"
    options = _source(has_picture, has_sound)
    if has_picture:
        options += _picture_options(random, video)
    if has_sound:
        options += ["-c:a", sound, "-ar", random.choice(("8000", "11025", "44100", "48000", "96000"))]
        options += ["-channel_layout" if random.random() < 0.5 else "-ac", random.choice(("1", "2", "6", *LAYOUTS))]
        options += ["-af", random.choice(("anull", "anull", "dcshift=0.5", "volume=60dB", "apad=pad_dur=3"))]
    command = ["ffmpeg", "-nostdin", "-y", "-v", "error", *options, "-strict", "-2", "-t", "1.2", f"file:{out}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return Media(out, " ".join(command)) if done.returncode == 0 and out.is_file() else None


def _source(has_picture: bool, has_sound: bool) -> list[str]:
    if TALKER.is_file():
        source = ["-ss", "1", "-i", str(TALKER)]
        picture, sound = "0:v:0", "0:a:0"
    else:
        source = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25", "-f", "lavfi", "-i", "sine=r=48000"]
        picture, sound = "0:v", "1:a"
    return source + (["-map", picture] if has_picture else []) + (["-map", sound] if has_sound else [])


def _picture_options(random: Random, codec: str) -> list[str]:
    size = "720x576" if codec == "dvvideo" else random.choice(("", "", *SIZES))
    chain = ([f"scale={size.replace('x', ':')}"] if size else []) + [random.choice(FILTERS)]
    options = ["-vf", ",".join(chain), "-c:v", codec, "-pix_fmt", random.choice(("yuv420p", "yuv420p", *PIXELS))]
    options += ["-r", "25" if codec == "dvvideo" else random.choice(RATES)]
    options += random.choice(TAGS).split() if codec != "gif" else []
    options += random.choice(([], [], ["-metadata:s:v", f"rotate={random.choice((90, 180, 270, 45))}"]))
    return options + random.choice(([], ["-flags", "+ilme+ildct"], ["-bf", "3"], ["-g", "1"]))


def _damaged(random: Random, made: Media) -> Media:
    raw = made.path.read_bytes()
    at = random.randrange(len(raw) + 1)
    match random.randrange(10):
        case 0:
            raw, how = raw[:at], f"cut at {at}"
        case 1:
            raw, how = raw[:at] + random.randbytes(100) + raw[at + 100 :], f"random bytes at {at}"
        case 2:
            raw, how = raw[:at] + bytes(5000) + raw[at + 5000 :], f"zeros at {at}"
        case 3:
            raw, how = random.randbytes(at), "noise alone"
        case 4:
            raw, how = raw + raw, "twice"
        case 5:
            raw, how = raw[:at] + raw[at + 3 :], f"three bytes missing at {at}"
        case _:
            return made
    made.path.write_bytes(raw)
    return Media(made.path, f"{made.command}   # then {how}")

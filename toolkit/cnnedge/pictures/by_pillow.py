"""Pictures through Pillow, and HEIF through pillow-heif.

A file's bytes enter; upright, opaque pixels leave, or DataError. Only this module and `colours`
import Pillow, and they are imported only when a picture needs them.

No program is ever run for a picture: the formats are listed, so that Pillow calls neither
Ghostscript nor anything that another package has put into its register.
"""

from __future__ import annotations

import functools
import importlib
import io
import logging
import threading
import warnings
from typing import Any

import PIL
from PIL import Image, UnidentifiedImageError

from ..errors import DataError
from .colours import Unconvertible, as_bgr
from .contents import HEAD_BYTES, TOO_LARGE, Content, check_size, content_of
from .orientation import upright
from .reading import Picture

_ORIENTATION = 0x0112
# Left out: EPS and WMF, which are drawn by other programs; IPTC, which opens whatever lies inside
# it by all formats; FPX and MIC, which need a further package; and what Pillow only recognises.
_FORMATS = frozenset(
    {
        *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF"),
        *("ICNS", "ICO", "IM", "IMT", "JPEG", "JPEG2000", "MCIDAS", "MPO", "MSP", "PCD", "PCX"),
        *("PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP"),
        *("XBM", "XPM", "XVTHUMB"),
    }
)
# What is recognised by its signature is opened by its own plugin: all of them take 0.1 s to import.
_PLUGINS = {"AVIF": "Avif", "GIF": "Gif", "PNG": "Png", "TIFF": "Tiff", "WEBP": "WebP"}
_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "FLI"})
_PAGED = frozenset({"TIFF", "DCX"})
_HEIF_MISSING = (
    "this is a HEIF picture (HEIC), but pillow-heif, which reads it, is not installed. Install it "
    "(pip install pillow-heif; there is no wheel for 32-bit Arm), or save the picture as JPEG"
)
_lock = threading.Lock()


def decoded(data: bytes, name: str, *, rest: bool = False) -> Picture:
    """The picture in a file's bytes; rest: look for further frames or pages. Raises DataError."""
    content = content_of(data[:HEAD_BYTES])
    with opened(data, name, content) as image:
        pixels = shown(image, name, content)
        return Picture(pixels=pixels, rest=_rest(image) if rest else "")


def opened(data: bytes, name: str, content: Content) -> Any:
    """A PIL image whose pixels are not decoded yet. Raises DataError."""
    if content.kind == "refused":
        raise DataError(f"{name}: {content.why}")
    _quieten()
    try:
        image = _image(data, content)
    except Exception as error:
        raise DataError(f"{name}: {_reason(error, content, data)}") from None
    check_size(image.size[0], image.size[1], name)
    return image


def shown(image: Any, name: str, content: Content) -> Any:
    """uint8 [h, w, 3] BGR of an image's current frame. Raises DataError."""
    _quieten()
    try:
        image.load()
        check_size(image.size[0], image.size[1], name)
        pixels = as_bgr(image)
        return upright(pixels, _orientation(image))
    except DataError as error:
        raise DataError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from None
    except Exception as error:
        raise DataError(f"{name}: {_reason(error, content, b'')}") from None


def stated_orientation(exif: bytes, xmp: bytes) -> object:
    """The orientation that PIL.ImageOps.exif_transpose would go by, of a JPEG's own segments."""
    _quieten()
    bare = Image.Image()
    bare.info = {"exif": exif} if exif else {}
    if xmp:
        bare.info["xmp"] = xmp
    return _orientation(bare)


def _orientation(image: Any) -> object:
    """1 if it cannot be read: damaged EXIF does not affect the pixels."""
    for _ in range(2):
        try:
            return image.getexif().get(_ORIENTATION, 1)
        except Exception:
            # Asked again, Pillow answers from what it had read.
            continue
    return 1


def _image(data: bytes, content: Content) -> Any:
    if content.name == "HEIF":
        return _heif()(io.BytesIO(data))
    if content.kind == "picture":
        _plugin(content.name)
        try:
            return Image.open(io.BytesIO(data), formats=[content.name])
        except UnidentifiedImageError:
            # Signatures of a few bytes may be another format's.
            pass
    return Image.open(io.BytesIO(data), formats=_all_formats())


def _heif() -> Any:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise Unconvertible(_HEIF_MISSING) from None
    return HeifImageFile


def _plugin(name: str) -> None:
    if name in _PLUGINS:
        importlib.import_module(f"PIL.{_PLUGINS[name]}ImagePlugin")


@functools.cache
def _all_formats() -> list[str]:
    """The allowed formats, in the order in which Pillow itself tries them."""
    with _lock:
        Image.init()
        return [name for name in Image.ID if name in _FORMATS]


def _rest(image: Any) -> str:
    kind = "animation" if image.format in _ANIMATED else "pages"
    if image.format not in _ANIMATED | _PAGED:
        return ""
    try:
        return kind if getattr(image, "n_frames", 1) > 1 else ""
    except Exception:
        return ""


def _reason(error: Exception, content: Content, data: bytes) -> str:
    if isinstance(error, Unconvertible):
        return str(error)
    if isinstance(error, (Image.DecompressionBombError, MemoryError)):
        return TOO_LARGE
    if content.kind == "video":
        return (
            f"this is a video ({content.name}), despite its name; only `cnnedge run --source` "
            "accepts videos"
        )
    if content.kind == "unknown" and isinstance(error, UnidentifiedImageError):
        return (
            "this is not a picture that cnnedge can read; expected a file such as JPEG, PNG, HEIC, "
            "WebP, AVIF, TIFF, GIF or BMP"
        )
    missing = _missing_codec(content.name) or _tiff_kind(content.name, data)
    if missing:
        return missing
    said = "".join(c for c in " ".join(str(error).split()) if c.isprintable())[:120]
    detail = f" ({said})" if said and not isinstance(error, UnidentifiedImageError) else ""
    return f"the picture is cut off or damaged{detail}; replace or remove it"


def _tiff_kind(name: str, data: bytes) -> str:
    """The message for an intact TIFF whose numbers Pillow has no mode for; else nothing."""
    if name != "TIFF" or not data:
        return ""
    from PIL import TiffImagePlugin as tiff

    file = io.BytesIO(data)
    try:
        tiff.TiffImageFile(file)
    except SyntaxError as error:
        if "unknown pixel mode" not in str(error):
            return ""
    except Exception:
        return ""
    try:
        tags = tiff.ImageFileDirectory_v2(data[:8])
        file.seek(tags.next)
        tags.load(file)
        bits = " + ".join(str(int(each)) for each in tags[tiff.BITSPERSAMPLE][:5])
        format_ = int(tags.get(tiff.SAMPLEFORMAT, (1,))[0])
    except Exception:
        return ""
    kind = {2: ", signed whole numbers", 3: ", floating point"}.get(format_, "")
    return (
        f"Pillow cannot read this kind of TIFF (bits per pixel: {bits}{kind}); save it with 8 bits "
        "for each of red, green and blue"
    )


def _missing_codec(name: str) -> str:
    """Some builds of Pillow leave formats out; its wheels hold them all."""
    from PIL import features

    codec = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}.get(name)
    if codec is None or features.check(codec):
        return ""
    return (
        f"this Pillow ({PIL.__version__}) was built without {name}. Install its wheel from "
        "PyPI, or save the picture as JPEG or PNG"
    )


def _quieten() -> None:
    """Keeps Pillow's warnings off the terminal: what matters in them becomes a DataError.

    Filters of the user's own come first; only what no filter names is left unsaid. Asked each
    time, because others restore the list of filters.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
    warnings.filterwarnings("ignore", module=r"pillow_heif\.", append=True)


# Without a handler of its own, a logger's errors go to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

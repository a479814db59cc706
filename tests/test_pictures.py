"""read_picture against Pillow: odd pictures as a person sees them, bad ones as DataError."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from cnnedge.errors import DataError
from cnnedge.pictures import PICTURE_SUFFIXES, read_picture

RNG = np.random.default_rng(7)
COLOUR = cv2.resize(
    RNG.integers(0, 256, (5, 7, 3), np.uint8), (70, 50), interpolation=cv2.INTER_LINEAR
)
ALPHA = RNG.integers(0, 256, (50, 70), np.uint8)


def encoded(picture: Image.Image, fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, fmt, **options)
    return buffer.getvalue()


def seen(data: bytes) -> np.ndarray:
    """What Pillow shows of a file over white, upright, as BGR."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB"))[:, :, ::-1]


def colour() -> Image.Image:
    return Image.fromarray(COLOUR)


def transparent() -> Image.Image:
    picture = colour().convert("RGBA")
    picture.putalpha(Image.fromarray(ALPHA))
    return picture


def palette_with_hole() -> bytes:
    picture = colour().quantize(16)
    return encoded(picture, "PNG", transparency=3)


def with_exif(fmt: str, orientation: int, picture: Image.Image | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if fmt == "JPEG" else {"lossless": True, "exact": True}
    return encoded(picture or colour(), fmt, exif=exif, **(options if fmt != "PNG" else {}))


def big_png(side: int) -> bytes:
    """A whole PNG of zeros, 1 bit a pixel, a few hundred kB whatever its size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    row = b"\x00" * (1 + (side + 7) // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


OLD_OPENCV = tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (4, 11)
ODD = {
    "jpeg": encoded(colour(), "JPEG", quality=95),
    "grey jpeg": encoded(colour().convert("L"), "JPEG", quality=95),
    "cmyk jpeg": encoded(colour().convert("CMYK"), "JPEG", quality=98),
    "cmyk tiff": encoded(colour().convert("CMYK"), "TIFF"),
    "grey png": encoded(colour().convert("L"), "PNG"),
    "1 bit png": encoded(colour().convert("1"), "PNG"),
    "1 bit tiff": encoded(colour().convert("1"), "TIFF"),
    "palette png": encoded(colour().quantize(16), "PNG"),
    "palette png with a hole": palette_with_hole(),
    "LA png": encoded(transparent().convert("LA"), "PNG"),
    "RGBA png": encoded(transparent(), "PNG"),
    "RGBA webp": encoded(transparent(), "WEBP", lossless=True, exact=True),
    "RGBA tiff": encoded(transparent(), "TIFF"),
    "opaque RGBA png": encoded(colour().convert("RGBA"), "PNG"),
    "bmp": encoded(colour(), "BMP"),
    "ppm": encoded(colour(), "PPM"),
    "gif": encoded(colour(), "GIF"),
    "transparent gif": encoded(transparent(), "GIF"),
    "jpeg 2000": encoded(colour(), "JPEG2000"),
}


@pytest.mark.parametrize("kind", list(ODD))
def test_odd_pictures_look_as_pillow_shows_them(kind: str) -> None:
    data = ODD[kind]
    if OLD_OPENCV and "gif" in kind:
        with pytest.raises(DataError, match=r"OpenCV 4\.11 or later"):
            read_picture(data)
        return
    frame = read_picture(data)
    expected = seen(data)
    assert frame.dtype == np.uint8 and frame.shape == expected.shape
    assert frame.flags.c_contiguous
    difference = np.abs(frame.astype(int) - expected)
    allowed = 2.5 if "cmyk" in kind else 1.0
    assert difference.mean() <= allowed, difference.mean()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(fmt: str, orientation: int) -> None:
    data = with_exif(fmt, orientation)
    expected = seen(data)
    frame = read_picture(data)
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 1


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF"])
def test_exif_and_transparency_together(fmt: str) -> None:
    data = with_exif(fmt, 6, transparent())
    assert np.abs(read_picture(data).astype(int) - seen(data)).mean() < 1


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(fmt: str) -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    frame = read_picture(encoded(Image.fromarray(deep), fmt))
    assert frame.shape == (256, 256, 3)
    assert np.array_equal(frame[:, :, 0], np.rint(deep / 257.0).astype(np.uint8))


def test_sixteen_bit_colour_with_transparency() -> None:
    deep = (np.dstack([COLOUR, ALPHA]).astype(np.uint16)) * 257
    data = cv2.imencode(".png", deep)[1].tobytes()
    over = COLOUR * (ALPHA[:, :, None] / 255.0) + (255.0 - ALPHA[:, :, None])
    assert np.abs(read_picture(data) - over).max() <= 1


def test_float_and_32_bit_tiff() -> None:
    grey = COLOUR[:, :, 0]
    assert np.array_equal(
        read_picture(encoded(Image.fromarray(grey.astype(np.float32) / 255), "TIFF"))[:, :, 1],
        grey,
    )
    whole = (grey.astype(np.int64) * 16843009 - 2**31).astype(np.int32)
    frame = read_picture(encoded(Image.fromarray(whole), "TIFF"))
    assert np.abs(frame[:, :, 2].astype(int) - grey).max() <= 1


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation(fmt: str) -> None:
    red = Image.new("RGB", colour().size, "red")
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = encoded(colour(), fmt, save_all=True, append_images=[red, red], **options)
    if OLD_OPENCV and fmt in ("GIF", "WEBP"):
        with pytest.raises(DataError, match=r"OpenCV 4\.11 or later"):
            read_picture(data)
        return
    assert np.abs(read_picture(data).astype(int) - seen(data)).mean() < 1


def test_a_path_and_its_bytes_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "Ünïcode, with space.png"
    path.write_bytes(ODD["RGBA png"])
    assert np.array_equal(read_picture(path), read_picture(path.read_bytes()))
    assert np.array_equal(read_picture(str(path)), read_picture(path))


BAD = {
    "empty": (b"", "empty"),
    "truncated jpeg": (ODD["jpeg"][:400], "cut off"),
    "truncated png": (ODD["grey png"][: len(ODD["grey png"]) // 2], "cut off"),
    "text": (b"this is no picture at all\n" * 20, "not a picture"),
    "three bytes": (b"\xff\xd8\xff", "cut off"),
    "png header alone": (b"\x89PNG\r\n\x1a\n", "cut off"),
    "tiff header alone": (b"II*\x00\x08\x00\x00\x00", "cut off"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_unreadable_files_name_path_and_reason(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = BAD[kind]
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ") and reason in str(caught.value)
    assert "WARN" not in capfd.readouterr().err


def test_missing_folder_and_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match="folder"):
        read_picture(tmp_path)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"closed\.png: permission denied"):
        read_picture(tmp_path / "closed.png")


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(big_png(30_000))
    code = (
        "import sys; from cnnedge.pictures import read_picture\n"
        "from cnnedge.errors import DataError\n"
        "try: read_picture(sys.argv[1])\n"
        "except DataError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "too large" in done.stdout and str(path) in done.stdout
    path.write_bytes(big_png(40_000))
    with pytest.raises(DataError, match="too large"):
        read_picture(path)


def test_the_suffixes_are_lower_case_and_dotted() -> None:
    assert {".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".avif"} <= PICTURE_SUFFIXES
    assert all(s.startswith(".") and s == s.lower() for s in PICTURE_SUFFIXES)

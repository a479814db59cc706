"""read_picture against Pillow: odd pictures as a person sees them, bad ones as DataError."""

from __future__ import annotations

import base64
import functools
import io
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from cnnedge.errors import DataError
from cnnedge.pictures import (
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    below,
    content_of,
    is_picture,
    read_picture,
    read_with_rest,
)
from cnnedge.pictures.plain import plain
from support.hostile import made

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
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.has_transparency_data:
        clear = np.asarray(picture.convert("RGBA")).astype(int)
        alpha = clear[:, :, 3:]
        rgb = ((clear[:, :, :3] * alpha + 255 * (255 - alpha)) * 2 + 255) // 510
    else:
        rgb = np.asarray(picture.convert("RGB"))
    return rgb[:, :, ::-1]


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


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def big_png(side: int) -> bytes:
    """A whole PNG of zeros, 1 bit a pixel, a few hundred kB whatever its size."""

    row = b"\x00" * (1 + (side + 7) // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


# Made by the first test that looks at one: whoever collects this file needs none.
ODD = {
    "jpeg": lambda: encoded(colour(), "JPEG", quality=95),
    "grey jpeg": lambda: encoded(colour().convert("L"), "JPEG", quality=95),
    "cmyk jpeg": lambda: encoded(colour().convert("CMYK"), "JPEG", quality=98),
    "cmyk tiff": lambda: encoded(colour().convert("CMYK"), "TIFF"),
    "grey png": lambda: encoded(colour().convert("L"), "PNG"),
    "1 bit png": lambda: encoded(colour().convert("1"), "PNG"),
    "1 bit tiff": lambda: encoded(colour().convert("1"), "TIFF"),
    "palette png": lambda: encoded(colour().quantize(16), "PNG"),
    "palette png with a hole": palette_with_hole,
    "LA png": lambda: encoded(transparent().convert("LA"), "PNG"),
    "RGBA png": lambda: encoded(transparent(), "PNG"),
    "RGBA webp": lambda: encoded(transparent(), "WEBP", lossless=True, exact=True),
    "RGBA tiff": lambda: encoded(transparent(), "TIFF"),
    "opaque RGBA png": lambda: encoded(colour().convert("RGBA"), "PNG"),
    "bmp": lambda: encoded(colour(), "BMP"),
    "ppm": lambda: encoded(colour(), "PPM"),
    "gif": lambda: encoded(colour(), "GIF"),
    "transparent gif": lambda: encoded(transparent(), "GIF"),
    "jpeg 2000": lambda: encoded(colour(), "JPEG2000"),
    "RGBA jpeg 2000": lambda: encoded(transparent(), "JPEG2000"),
    "progressive jpeg": lambda: encoded(colour(), "JPEG", progressive=True),
    "LAB tiff": lambda: encoded(Image.new("LAB", (9, 7), (150, 30, 200)), "TIFF"),
    "YCbCr tiff": lambda: encoded(colour().convert("YCbCr"), "TIFF"),
    "LA tiff": lambda: encoded(transparent().convert("LA"), "TIFF"),
    "RGB png with a transparent colour": lambda: encoded(colour(), "PNG", transparency=(1, 2, 3)),
    "grey png with a transparent value": lambda: encoded(
        colour().convert("L"), "PNG", transparency=9
    ),
    "avif": lambda: encoded(colour(), "AVIF"),
    "RGBA avif": lambda: encoded(transparent(), "AVIF"),
    "mpo": lambda: encoded(
        colour(), "MPO", save_all=True, append_images=[Image.new("RGB", (70, 50))]
    ),
    "qoi": lambda: encoded(colour(), "QOI"),
    "tga": lambda: encoded(transparent(), "TGA"),
    "pcx": lambda: encoded(colour(), "PCX"),
    "ico": lambda: encoded(transparent(), "ICO", sizes=[(48, 48), (16, 16)]),
    "icns": lambda: encoded(transparent().resize((128, 128)), "ICNS"),
    "dds": lambda: encoded(transparent(), "DDS"),
    "sgi": lambda: encoded(colour(), "SGI"),
    "im": lambda: encoded(colour(), "IM"),
    "xbm": lambda: encoded(colour().convert("1"), "XBM"),
}


@functools.cache
def odd(kind: str) -> bytes:
    return ODD[kind]()


@pytest.mark.parametrize("kind", list(ODD))
def test_odd_pictures_look_as_pillow_shows_them(kind: str) -> None:
    frame = read_picture(odd(kind))
    assert frame.dtype == np.uint8 and frame.flags.c_contiguous
    assert np.array_equal(frame, seen(odd(kind)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(fmt: str, orientation: int) -> None:
    data = with_exif(fmt, orientation)
    assert np.array_equal(read_picture(data), seen(data))
    if fmt == "JPEG":
        assert np.array_equal(read_picture(data), cv2.imdecode(np.frombuffer(data, np.uint8), 1))


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF"])
def test_exif_and_transparency_together(fmt: str) -> None:
    data = with_exif(fmt, 6, transparent())
    assert np.array_equal(read_picture(data), seen(data))


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_an_orientation_in_xmp_is_applied(fmt: str) -> None:
    packet = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    if fmt == "JPEG":
        data = encoded(colour(), fmt, xmp=packet.encode())
    else:
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet)
        data = encoded(colour(), fmt, pnginfo=texts)
    frame = read_picture(data)
    assert frame.shape == (70, 50, 3) and np.array_equal(frame, seen(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("values", [[6], [8, 3], [0], [9], [], [300]])
def test_exif_is_understood_as_pillow_does(order: str, values: list[int]) -> None:
    """Sound, twice the same tag, out of range, without it, in both orders of bytes."""
    entries = [(0x010F, 2, 4, 0x41420000), *((0x0112, 3, 1, value) for value in values)]
    tiff = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    for tag, kind, count, value in entries:
        shape = f"{order}HHII" if kind == 2 else f"{order}HHIHxx"
        tiff += struct.pack(shape, tag, kind, count, value)
    data = encoded(colour(), "JPEG", exif=b"Exif\0\0" + tiff + b"\0" * 4)
    assert np.array_equal(read_picture(data), seen(data))


def test_exif_that_is_damaged_turns_nothing() -> None:
    data = with_exif("JPEG", 6)
    damaged = data.replace(b"Exif\0\0MM\0*", b"Exif\0\0XX\0*")
    assert damaged != data
    assert read_picture(damaged).shape == (50, 70, 3)


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


def test_colour_of_sixteen_bits_in_planes() -> None:
    data = cv2.imencode(".tiff", COLOUR.astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(read_picture(data), COLOUR)


def test_a_deep_value_that_means_transparent_is_white() -> None:
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    data = encoded(Image.fromarray(deep), "PNG")
    # tRNS of the value 2 * 257, behind the header.
    named = data[:33] + chunk(b"tRNS", b"\x02\x02") + data[33:]
    frame = read_picture(named)
    assert frame[0, 2].tolist() == [255] * 3 and frame[0, 3].tolist() == [3] * 3


def test_a_tiff_that_pillow_has_no_mode_for_is_named_for_what_it_is() -> None:
    data = cv2.imencode(".tiff", COLOUR.astype(np.float32))[1].tobytes()
    with pytest.raises(DataError, match=r"this kind of TIFF .*32 \+ 32 \+ 32, floating point"):
        read_picture(data)
    with pytest.raises(DataError, match="cut off or damaged"):
        read_picture(data[:50])


def test_float_and_32_bit_tiff() -> None:
    grey = COLOUR[:, :, 0]
    unit = encoded(Image.fromarray(grey.astype(np.float32) / 255), "TIFF")
    assert np.array_equal(read_picture(unit)[:, :, 1], grey)
    whole = encoded(Image.fromarray(grey.astype(np.int32) * 257), "TIFF")
    assert np.array_equal(read_picture(whole)[:, :, 2], grey)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.float32([[0, 255]]), "range from 0 to 255"),
        (np.float32([[-0.5, 1]]), "range from -0.5 to 1"),
        (np.float32([[np.nan, 1]]), "contain NaN"),
        (np.int32([[0, 70000]]), "range from 0 to 70000"),
        (np.int32([[-1, 255]]), "range from -1 to 255"),
    ],
)
def test_values_without_a_stated_scale_are_refused(values: np.ndarray, found: str) -> None:
    with pytest.raises(DataError, match=found):
        read_picture(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation(fmt: str) -> None:
    red = Image.new("RGB", colour().size, "red")
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = encoded(colour(), fmt, save_all=True, append_images=[red, red], **options)
    assert np.array_equal(read_picture(data), seen(data))
    assert read_with_rest(data).rest == ("pages" if fmt == "TIFF" else "animation")


def heic(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=-1, chroma=444, **options)
    return buffer.getvalue()


def halves(width: int, height: int) -> Image.Image:
    """Red above blue."""
    picture = Image.new("RGB", (width, height), (220, 30, 30))
    picture.paste((30, 30, 220), (0, height // 2, width, height))
    return picture


def test_heic_of_several_tiles_is_the_whole_picture() -> None:
    data = heic(halves(256, 384), tile_size=128)
    assert data.count(b"grid") and data.count(b"hvc1") > 5
    frame = read_picture(data)
    assert frame.shape == (384, 256, 3)
    assert np.abs(frame[64, 128].astype(int) - [30, 30, 220]).max() < 6
    assert np.abs(frame[320, 128].astype(int) - [220, 30, 30]).max() < 6


def test_heic_is_turned_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    # Stored on its side: red on the left, blue on the right.
    stored = halves(64, 128).transpose(Image.Transpose.ROTATE_90)
    frame = read_picture(heic(stored, exif=exif.tobytes()))
    assert frame.shape == (128, 64, 3)
    assert frame[20, 32, 2] > 200 and frame[100, 32, 0] > 200


def test_heic_of_ten_bits() -> None:
    deep = np.zeros((64, 64, 3), np.uint16)
    deep[:, :, 0], deep[:, :, 1], deep[:, :, 2] = 200 * 257, 100 * 257, 50 * 257
    buffer = io.BytesIO()
    pillow_heif.encode("RGB;16", (64, 64), deep.tobytes(), buffer, quality=-1, chroma=444)
    frame = read_picture(buffer.getvalue())
    assert np.abs(frame[32, 32].astype(int) - [50, 100, 200]).max() < 6


def test_heic_without_its_reader_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(halves(64, 64))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match="pip install pillow-heif"):
        read_picture(data)


SUBSAMPLINGS = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    grey=st.booleans(),
    quality=st.integers(1, 100),
    sampling=st.sampled_from(list(SUBSAMPLINGS)),
    progressive=st.integers(0, 1),
    restarts=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_plain_jpegs_are_opencvs_and_pillows_pixels(
    width: int,
    height: int,
    grey: bool,
    quality: int,
    sampling: str,
    progressive: int,
    restarts: int,
) -> None:
    pixels = cv2.resize(COLOUR, (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = pixels[:, :, 0] if grey else pixels
    wanted = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    wanted += [cv2.IMWRITE_JPEG_RST_INTERVAL, restarts]
    wanted += [] if grey else [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLINGS[sampling]]
    buffer = cv2.imencode(".jpg", pixels, wanted)[1]
    frame = read_picture(buffer.tobytes())
    assert plain(buffer.tobytes()) is not None
    assert np.array_equal(frame, cv2.imdecode(buffer, cv2.IMREAD_COLOR))
    assert np.array_equal(frame, seen(buffer.tobytes()))
    assert np.array_equal(frame, read_picture(buffer.tobytes() + b"\0" * 100))


@given(width=st.integers(1, 90), height=st.integers(1, 90), grey=st.booleans())
@settings(max_examples=30, deadline=None)
def test_plain_pngs_are_opencvs_and_pillows_pixels(width: int, height: int, grey: bool) -> None:
    pixels = cv2.resize(COLOUR, (width, height), interpolation=cv2.INTER_LINEAR)
    buffer = cv2.imencode(".png", pixels[:, :, 0] if grey else pixels)[1]
    assert plain(buffer.tobytes()) is not None
    frame = read_picture(buffer.tobytes())
    assert np.array_equal(frame, cv2.imdecode(buffer, cv2.IMREAD_COLOR))
    assert np.array_equal(frame, seen(buffer.tobytes()))


def test_a_plain_picture_needs_no_pillow() -> None:
    code = (
        "import sys, base64; from cnnedge.pictures import read_picture\n"
        "for text in sys.argv[1:]: read_picture(base64.b64decode(text))\n"
        "assert not [name for name in sys.modules if name.startswith('PIL')]"
    )
    texts = [base64.b64encode(odd(kind)).decode() for kind in ("jpeg", "grey jpeg", "grey png")]
    subprocess.run([sys.executable, "-c", code, *texts], check=True)


def test_threads_read_at_the_same_time() -> None:
    kinds = list(ODD) * 3
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda kind: read_picture(odd(kind)), kinds))
    for kind, frame in zip(kinds, frames, strict=True):
        assert np.array_equal(frame, read_picture(odd(kind))), kind


@given(
    kind=st.sampled_from(list(ODD)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.1, 1),
)
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_a_picture_or_a_data_error(
    kind: str, changes: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(odd(kind))
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    try:
        frame = read_picture(bytes(data[: max(1, int(kept * len(data)))]))
    except DataError as error:
        assert "\n" not in str(error) and str(error).isprintable()
    else:
        assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3


def test_a_path_and_its_bytes_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "Ünïcode, with space.png"
    path.write_bytes(odd("RGBA png"))
    assert np.array_equal(read_picture(path), read_picture(path.read_bytes()))
    assert np.array_equal(read_picture(str(path)), read_picture(path))


BAD = {
    "empty": (b"", "empty"),
    "truncated jpeg": (lambda: odd("jpeg")[:400], "cut off"),
    "truncated png": (lambda: odd("grey png")[: len(odd("grey png")) // 2], "cut off"),
    "text": (b"this is no picture at all\n" * 20, "not a picture"),
    "three bytes": (b"\xff\xd8\xff", "cut off"),
    "png header alone": (b"\x89PNG\r\n\x1a\n", "cut off"),
    "tiff header alone": (b"II*\x00\x08\x00\x00\x00", "cut off"),
    "half a jpeg": (lambda: odd("jpeg")[: len(odd("jpeg")) // 2], "cut off"),
    "half a webp": (lambda: odd("RGBA webp")[: len(odd("RGBA webp")) // 2], "cut off"),
    "half an avif": (lambda: odd("avif")[: len(odd("avif")) // 2], "cut off"),
    "a film": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 50, "this is a video"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not run"),
    "outlines": (b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "outlines"),
    "metafile": (b"\xd7\xcd\xc6\x9a\0\0" + b"\0" * 60, "outlines"),
    "measurements": (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "measurements"),
    "pages": (b"%PDF-1.7\n", "PDF"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_unreadable_files_name_path_and_reason(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = BAD[kind]
    path = tmp_path / "broken.jpg"
    path.write_bytes(made(data))
    with pytest.raises(DataError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ") and reason in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_missing_folder_and_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match="folder"):
        read_picture(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "closed.png").write_bytes(b"x")
    monkeypatch.setattr(os, "open", refuse)
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


def test_large_pictures_and_odd_tags_print_nothing(tmp_path: Path) -> None:
    """Pillow warns of pictures from 89 million pixels on, and of much in TIFFs."""
    path = tmp_path / "large.png"
    path.write_bytes(big_png(9_500))
    odd = tmp_path / "odd.tif"
    # A tag whose data lies behind the end of the file.
    data = bytearray(encoded(colour(), "TIFF"))
    at = data.rfind(struct.pack("<HH", 282, 5))
    if at >= 0:
        data[at + 8 : at + 12] = struct.pack("<I", 10**9)
    odd.write_bytes(bytes(data))
    code = (
        "import sys; from cnnedge.pictures import read_picture\n"
        "for path in sys.argv[1:]: print(read_picture(path).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(odd)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[0] == "(9500, 9500, 3)" and done.stderr == ""


CONTENTS = {
    "a telephone's picture": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "picture", "HEIF"),
    "a general container of AVIF": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "picture", "AVIF"),
    "a film": (b"\0\0\0\x14ftypisom\0\0\0\0isom", "video", "MP4 or QuickTime"),
    "an old film": (b"\0\0\0\x08wide\0\0\x10\0mdat", "video", "QuickTime"),
    "text": (b"BMW and other cars", "unknown", ""),
    "nothing": (b"", "unknown", ""),
}


@pytest.mark.parametrize("kind", list(CONTENTS))
def test_what_a_file_is_goes_by_its_first_bytes(kind: str) -> None:
    head, expected, name = CONTENTS[kind]
    found = content_of(head)
    assert (found.kind, found.name) == (expected, name)


@pytest.mark.parametrize("kind", [k for k in ODD if k not in ("tga", "pcx", "im", "xbm")])
def test_pictures_are_known_without_a_suffix(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(odd(kind))
    assert is_picture(path)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    names = ["a1.jpg", "a10.jpg", "a2.jpg", "in/b.jpg", ".x.jpg", ".ipynb_checkpoints/c.jpg"]
    names += ["@eaDir/d.jpg", "__MACOSX/e.jpg", "in/Thumbs.db"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    found = [str(Path(f).relative_to(tmp_path)) for f in below(tmp_path).files]
    assert found == ["a1.jpg", "a2.jpg", "a10.jpg", "in/b.jpg"]


def test_the_suffixes_are_lower_case_and_dotted() -> None:
    assert {".jpg", ".png", ".gif", ".webp", ".tif", ".avif", ".heic", ".mpo"} <= PICTURE_SUFFIXES
    assert not PICTURE_SUFFIXES & VIDEO_SUFFIXES
    assert not PICTURE_SUFFIXES & {".eps", ".ps", ".pdf", ".svg", ".wmf", ".emf", ".h5"}
    assert all(s.startswith(".") and s == s.lower() for s in PICTURE_SUFFIXES)

"""Which suffixes name pictures and videos.

A suffix only saves opening a file while files are listed, and settles what its bytes leave open:
its content decides what a file is.
"""

from __future__ import annotations

# What Pillow reads and runs nothing for, and HEIF.
PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".gif"),
        *(".webp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif", ".avifs"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".qoi", ".psd", ".tga", ".icb"),
        *(".vda", ".vst", ".pcx", ".dcx", ".ico", ".cur", ".icns", ".dds", ".blp", ".ftc"),
        *(".ftu", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".sgi", ".rgb", ".rgba", ".bw"),
        *(".ras", ".fit", ".fits", ".fli", ".flc", ".gbr", ".im", ".msp", ".pcd", ".pxr"),
        *(".xbm", ".xpm"),
    }
)
# A sequence of JPEGs: each of them looks like a picture.
CONCATENATED_JPEGS = frozenset({".mjpg", ".mjpeg"})
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts"),
        *(".ts", ".3gp", ".wmv", ".flv", ".ogv", ".h264", ".264", ".hevc", ".h265", ".y4m"),
        *CONCATENATED_JPEGS,
    }
)

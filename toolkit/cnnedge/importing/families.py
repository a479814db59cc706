"""What the networks of keras.applications take, by the names that they and their parts keep.

A name enters; the pixels of that family's `preprocess_input` leave. Whoever trained a network on
may have fed it others: a hint, weaker than what labelled pictures say.
"""

from __future__ import annotations

from dataclasses import replace

from .convention import SCALINGS, Convention

_SIGNED, _TORCH, _CAFFE = SCALINGS[1], SCALINGS[3], SCALINGS[4]
_BLUE_FIRST = replace(_CAFFE, bgr=True, mean=_CAFFE.mean[::-1])
# The longer name first, where one begins another.
_FAMILIES = (
    ("mobilenetv2", _SIGNED),
    ("mobilenet_", _SIGNED),
    ("inception_resnet_v2", _SIGNED),
    ("inception_v3", _SIGNED),
    ("xception", _SIGNED),
    ("nasnet", _SIGNED),
    ("resnet50v2", _SIGNED),
    ("resnet101v2", _SIGNED),
    ("resnet152v2", _SIGNED),
    ("resnet50", _BLUE_FIRST),
    ("resnet101", _BLUE_FIRST),
    ("resnet152", _BLUE_FIRST),
    ("vgg16", _BLUE_FIRST),
    ("vgg19", _BLUE_FIRST),
    ("densenet", _TORCH),
)


def family(name: str) -> tuple[str, Convention] | None:
    """The family and its pixels; None for a name of none."""
    found = next(((f, c) for f, c in _FAMILIES if name.lower().startswith(f)), None)
    return None if found is None else (found[0].rstrip("_"), found[1])

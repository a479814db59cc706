"""One HTML page of benchmark results: devices, variants, delegates."""

from .page import render

__all__ = ["render"]

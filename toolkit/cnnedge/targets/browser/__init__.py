"""Browsers: a page that this machine serves, and that any browser on the network opens."""

from .target import BrowserTarget

__all__ = ["BrowserTarget"]

"""Sunset or not: a classical detector beside deep ones on the same pictures: `study sunset`."""

"""Hostile inputs for cnnedge, made in great numbers: `make fuzz`."""

"""Trains a network that redraws pictures in the style of one picture."""

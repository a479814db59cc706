"""The shipped recipes (YAML), as package data."""

"""The shipped model definitions (YAML), as package data."""

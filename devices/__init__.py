"""The shipped device profiles (YAML), as package data."""

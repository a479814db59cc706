"""Helpers that several tests share: small data sets, the command line, environments."""

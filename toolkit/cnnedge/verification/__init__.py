"""Verification (workshop side): a model file and its run in, the first stage that parts out."""

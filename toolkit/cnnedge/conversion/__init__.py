"""Conversion (workshop side): a finished run in, measured .tflite variants out."""

"""Training (workshop side): a recipe in, a run folder out."""

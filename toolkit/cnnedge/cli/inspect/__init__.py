"""`cnnedge inspect`: the command, and its text."""

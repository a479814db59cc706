"""`cnnedge bench`: the command, and its table."""

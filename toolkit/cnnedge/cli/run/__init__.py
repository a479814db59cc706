"""`cnnedge run`: the command, its sources, and what it shows here or on a device."""

"""A small capsule network beside a CNN of as many weights: `cnnedge study capsule`."""

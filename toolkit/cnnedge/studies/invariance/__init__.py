"""What a disturbance of the picture costs a model: `cnnedge study invariance`."""

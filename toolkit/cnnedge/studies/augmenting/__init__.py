"""What each augmentation of a recipe adds: `cnnedge study augmentation`."""

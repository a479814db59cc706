"""The fully connected network beside the convolutional one: `cnnedge study mlp_vs_cnn`."""

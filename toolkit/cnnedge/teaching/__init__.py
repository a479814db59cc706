"""What `cnnedge teach` trains: a linear classifier on frozen features, as int8, in seconds."""

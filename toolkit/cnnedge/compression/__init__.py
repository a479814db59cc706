"""Smaller models from a trained one: prune, remove channels, cluster, distil, train for int8."""

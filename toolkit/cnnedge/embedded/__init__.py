"""A small real data set that travels with the package: 12,000 pictures of Fashion-MNIST."""

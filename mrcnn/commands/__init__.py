"""What commands of `python -m mrcnn` do that need a trained network; their words are in `mrcnn.cli`."""

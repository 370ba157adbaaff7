"""Weight files: the legacy Keras HDF5 layout, ImageNet backbones, downloads."""

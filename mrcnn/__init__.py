"""Mask R-CNN for Keras 3, with the interface, weight files and numbers of the original Matterport library."""

__version__ = "0.1.0"

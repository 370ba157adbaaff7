"""Fitting: trainer, checkpoints and callbacks."""

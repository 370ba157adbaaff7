"""Detection: prediction and post-processing."""

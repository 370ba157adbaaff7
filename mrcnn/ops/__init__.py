"""Arithmetic on boxes, anchors, masks, suppression and RoIAlign."""

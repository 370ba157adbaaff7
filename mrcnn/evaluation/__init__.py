"""Matching, average precision and reports."""

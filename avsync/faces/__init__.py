"""Frames become face tracks, and tracks crops."""

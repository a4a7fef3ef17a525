"""Streams learn from clips that are prepared once, and are measured on others."""

"""A media file becomes frames and samples on one timeline."""

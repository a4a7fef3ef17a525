"""Embeddings become an offset, with how sure it is: numpy alone."""

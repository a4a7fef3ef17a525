"""The chain from a file to its report."""

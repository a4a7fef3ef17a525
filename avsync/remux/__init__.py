"""The cure: a file is written anew with its sound moved, and proved."""

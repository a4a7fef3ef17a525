"""Crops and MFCC become embeddings."""

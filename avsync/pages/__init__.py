"""Answers to look at: pages, plots and previews, made of what the chain has kept."""

"""Layers: stacks of recurrences, embeddings, pooling."""

"""Embeddings that own a vector for each key: admission, elimination, growth."""

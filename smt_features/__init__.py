"""Turns raw logs into shards and reads them back. Never imports TensorFlow."""

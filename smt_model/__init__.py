"""Trains and evaluates click and conversion models from shards."""

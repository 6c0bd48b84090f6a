"""Readers that need a framework of their own."""

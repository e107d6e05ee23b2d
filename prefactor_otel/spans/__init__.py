"""Spans as values, whatever they came from."""

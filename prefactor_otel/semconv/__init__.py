"""Attribute keys, one module a vocabulary; nothing else lives here."""

"""Rotating keys: those that objects are encrypted under, and the one that signs access tokens."""

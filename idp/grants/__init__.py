"""Grants, one file each, on Authlib's. They know nothing of each other."""

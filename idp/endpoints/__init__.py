"""Endpoints, one file each: authenticate the caller, parse strictly, call one function, answer."""

"""The registry's API, one file per resource: authenticate, parse, call one function, answer."""

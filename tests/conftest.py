"""What every test may ask for: a frozen clock, a ring of keys, and a real database of each kind."""

pytest_plugins = [
    "tests.fixtures.certificates",
    "tests.fixtures.house",
    "tests.fixtures.server",
    "tests.fixtures.registry",
    "tests.fixtures.inside",
    "tests.fixtures.strangers",
    "tests.fixtures.mutual",
]

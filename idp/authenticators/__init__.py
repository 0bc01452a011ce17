"""Ways to log in. None knows of another; levels.py says what each is worth."""

"""The program: it puts both services together, serves them, and is the command line."""

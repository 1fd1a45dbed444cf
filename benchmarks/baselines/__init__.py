"""Other ways to the same ends, on the program's own problems: only the method differs."""

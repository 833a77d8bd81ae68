"""Between what users have and numbers, in both directions: one codec a file."""

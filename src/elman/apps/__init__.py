"""What is used from outside Python: the command line."""

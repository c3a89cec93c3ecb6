"""What a GPU host looks like and how it is read. Free of Django: a script may import it alone."""

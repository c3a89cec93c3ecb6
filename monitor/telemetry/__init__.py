"""What a GPU host looks like and how it is read. Without Django, so that scripts can import it."""

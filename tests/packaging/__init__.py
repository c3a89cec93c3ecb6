"""The wheel and its installation."""

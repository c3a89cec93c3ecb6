"""Who may look, and do what: people by sessions, programs by tokens, and what is kept from those who are not known."""

"""How Django writes dates and times where a template does not say it, which is in the admin (FORMAT_MODULE_PATH)."""

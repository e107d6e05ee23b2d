"""Settings: every option, declared once, and the token."""

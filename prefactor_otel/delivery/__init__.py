"""From operations to answers: what waits, what is sent, what the API said."""

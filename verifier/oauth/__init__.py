"""OAuth 2.0: the built-in authorization server, and the check of every token that comes in."""

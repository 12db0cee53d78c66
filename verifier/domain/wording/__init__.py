"""Titles and advice, one file a language: what happened, and what to do."""

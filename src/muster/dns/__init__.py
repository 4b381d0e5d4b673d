"""Answers applications by DNS."""

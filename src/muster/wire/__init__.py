"""Bytes to messages and back, one file a format; the message types live here."""

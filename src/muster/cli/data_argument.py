"""Data on the command line: as it stands, `@file`, or `-` for the standard input."""

import sys


class UnreadableData(Exception):
    """The file or the standard input could not be read; the message is what the user is told."""


def read_data(argument: str) -> bytes:
    """The bytes that an argument stands for."""
    if argument == "-":
        return sys.stdin.buffer.read()
    if argument.startswith("@"):
        from muster.client.settings import file_problem

        path = argument[1:]
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise UnreadableData(f"Failed to read file: {file_problem(path, error)}") from error
    return argument.encode("utf-8", "surrogateescape")

"""`muster keygen`"""

from muster.cli.command import Command, Invocation

KEY_SIZE = 32  # bytes: AES-256


def run(invocation: Invocation) -> int:
    import secrets
    from base64 import b64encode

    invocation.out(b64encode(secrets.token_bytes(KEY_SIZE)))
    return 0


COMMAND = Command(
    usage="keygen",
    description="Makes a key of 32 bytes for the gossip encryption, in the form that the agent's configuration takes.",
    run=run,
    speaks_http=False,
)

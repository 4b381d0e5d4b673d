"""`muster validate`"""

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, TEXT, Flag

FORMATS = ("", "hcl", "json")


def run(invocation: Invocation) -> int:
    files, form = invocation.arguments, invocation.text("config-format")
    if not files:
        return invocation.refuse("Must specify at least one config file or directory")
    if form not in FORMATS:
        return invocation.refuse("-config-format must be either 'hcl' or 'json")
    from muster.agent.config.build import load_flags
    from muster.model.errors import MusterError

    flags = {"config-file": files, **({"config-format": form} if form else {})}
    try:
        config = load_flags(flags)
    except MusterError as error:
        return invocation.refuse(f"Config validation failed: {error}")
    if not invocation.switch("quiet"):
        for warning in config.warnings:
            invocation.out(warning)
        invocation.out("Configuration is valid!")
    return 0


COMMAND = Command(
    usage="validate [options] FILE_OR_DIRECTORY...",
    description="""
Checks a complete set of configuration files as "muster agent" would read it, without starting anything. The exit status is 0 if it is
valid and 1 if not.
""",
    run=run,
    flags=(
        Flag("config-format", TEXT, "The format of the files, whatever their names: hcl or json."),
        Flag("quiet", SWITCH, "Say nothing when the files are valid."),
    ),
    speaks_http=False,
)

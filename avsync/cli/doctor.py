"""`avsync doctor`."""

import typer

from avsync.cli.console import ExitStatus


def doctor() -> None:
    """Look at what avsync needs: what is here, what is missing, what to do."""
    from avsync.cli.checks import examine

    findings = examine()
    for finding in findings:
        mark = "ok" if finding.found else "MISSING" if finding.needed else "not here"
        print(f"{finding.subject:<20} {mark:<9} {finding.detail}")
    if not all(finding.found for finding in findings if finding.needed):
        raise typer.Exit(ExitStatus.FAILED)

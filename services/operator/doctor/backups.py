"""For whom backups are encrypted, and whether that key is where it belongs: elsewhere."""

from __future__ import annotations

from services.operator import age
from services.operator.doctor.report import Finding
from services.operator.settings import OperatorSettings

NAME = "backups"
KEEP_AWAY = "Keep it where neither the backups nor this system are: only `restore` needs it."


def check(settings: OperatorSettings) -> list[Finding]:
    """Read the keys as `backup` and `restore` do. Raises ConfigurationError."""
    if settings.backup_recipients is None:
        if settings.migration_url is None:
            what = "BACKUP_RECIPIENTS is not set: `make backup` makes a key beside the keyrings' copies."
            return [Finding(NAME, "note", what)]
        what = "BACKUP_RECIPIENTS is not set: the database is backed up under the keyring, which lies here."
        return [
            Finding(
                NAME,
                "warning",
                what,
                "Make a key pair (python -m services backup-key FILE), set its public half, and keep FILE "
                "elsewhere.",
            )
        ]
    recipients = age.parse_recipients(settings.backup_recipients)
    findings = [Finding(NAME, "ok", f"The database is backed up for {', '.join(recipients)}.")]
    path = settings.backup_identity_file
    if path is not None and path.exists():
        if not set(age.AgeIdentities(path).public) & set(recipients):
            findings.append(
                Finding(
                    NAME,
                    "warning",
                    f"{path} opens no new backup: it is another key's.",
                    "Let BACKUP_IDENTITY_FILE name the other half of BACKUP_RECIPIENTS, or nothing.",
                )
            )
        findings.append(Finding(NAME, "note", f"The key that opens backups lies here: {path}.", KEEP_AWAY))
    return findings

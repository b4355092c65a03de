"""Whether the mail server takes what auth sends."""

from __future__ import annotations

from libs.common.errors import Unavailable
from libs.common.mail import Mailer
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings

NAME = "mail"


async def check(settings: DoctorSettings) -> list[Finding]:
    """Connect, verify and log in, as for a mail; none is sent."""
    mailer = Mailer.of(settings)
    if mailer is None:
        what = "No mail is sent (SMTP_HOST): links for forgotten passwords come from administrators."
        return [Finding(NAME, "note", what)]
    try:
        await mailer.check()
    except Unavailable as error:
        advice = "Correct SMTP_HOST and what goes with it (SMTP_…); mails wait meanwhile."
        return [Finding(NAME, "problem", error.detail, advice)]
    return [Finding(NAME, "ok", f"{settings.smtp_host}:{settings.smtp_port} takes mail.")]

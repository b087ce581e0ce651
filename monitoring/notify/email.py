"""The transport of letters: one stored message becomes one e-mail."""

import json
import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from registry.models import OutboxMessage
from registry.outbox import Undeliverable

PERMANENT = range(500, 600)  # SMTP answers that no repetition changes
TIMEOUT_S = 15


def send(message: OutboxMessage) -> None:
    """Hand the letter to the mail server; the Message-ID is the same in every attempt.

    Raises Undeliverable where no repetition helps: a line break in a header, or an SMTP answer of 5xx. Any other error,
    4xx among them, means: try again.
    """
    letter = json.loads(bytes(message.body))
    for header in (letter["subject"], message.destination):
        if "\r" in header or "\n" in header:
            raise Undeliverable("A header of an e-mail cannot hold a line break.")
    mail = EmailMultiAlternatives(
        subject=letter["subject"],
        body=letter["text"],
        to=[message.destination],
        headers={"Message-ID": message_id(message), "Auto-Submitted": "auto-generated"},
        connection=get_connection(timeout=TIMEOUT_S) if _is_smtp() else None,
    )
    mail.attach_alternative(letter["html"], "text/html")
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        _give_up_if_permanent([code for code, _ in error.recipients.values()], error)
        raise
    except smtplib.SMTPResponseException as error:
        _give_up_if_permanent([error.smtp_code], error)
        raise


def message_id(message: OutboxMessage) -> str:
    """The identity of the e-mail: constant over attempts and replays, so that a mail program shows it once."""
    return f"<{message.pk}@{urlsplit(settings.PUBLIC_URL).hostname}>"


def _is_smtp() -> bool:
    return settings.EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend"


def _give_up_if_permanent(codes: list[int], error: Exception) -> None:
    if codes and all(code in PERMANENT for code in codes):
        raise Undeliverable(f"The mail server refuses the letter for good: {error}.") from error

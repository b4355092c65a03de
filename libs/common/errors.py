"""The error tree. Each class carries its HTTP status and its stable problem code (RFC 9457).

DicomSystemError
├── RequestError                     the caller can mend it
│   ├── InvalidRequest               400 invalid-request
│   ├── NotAuthenticated             401 not-authenticated
│   │   ├── WrongCredentials         401 wrong-credentials
│   │   ├── TokenExpired             401 token-expired
│   │   └── TokenInvalid             401 token-invalid
│   ├── PermissionDenied             403 permission-denied
│   ├── SignInRefused                403 sign-in-refused (a code of its own per reason, e.g. sign-in-expired)
│   ├── NotFound                     404 not-found
│   ├── NotAcceptable                406 not-acceptable
│   ├── RequestTimeout               408 request-timeout
│   │   └── TooSlow                  408 too-slow: the body comes, but hardly
│   ├── Conflict                     409 conflict
│   ├── TooLarge                     413 too-large
│   ├── UnsupportedType              415 unsupported-type
│   ├── RangeNotSatisfiable          416 range-not-satisfiable
│   ├── InvalidContent               422 (a code of its own per fault, e.g. not-dicom, truncated)
│   └── TooManyRequests              429 too-many-requests
├── Unavailable                      503 a dependency does not answer; always worth a retry
│   ├── NoRoom                       503 a queue that takes the event is full: other events may pass
│   └── NotRecorded                  503 not-recorded: nothing is done that the audit log cannot tell of
├── StorageError
│   ├── ObjectNotFound               404 object-not-found
│   │   └── ThumbnailMissing         404 thumbnail-missing: was made, and cannot be read any more
│   └── ObjectCorrupt                500 object-corrupt: fails closed
│   │   └── ObjectUnreadable         500 object-unreadable: the disk does not give its bytes
│   └── SpoolFailed                  500 storage-error: no room for the copy that is decoded
├── ConfigurationError               start-up only: one sentence that says what to do
├── Reject                           a message that nobody can read: to `.dead` with the reason
│   └── EventTooLarge                413 event-too-large: never published
├── AttemptFailed                    an attempt at an event failed, and leaves word of itself to the next
├── HandOn                           a worker leaves a file to those that take from another lane
└── Undelivered                      an in-process handler gave a nested event up
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class DicomSystemError(Exception):
    """Base of every error this system raises on purpose."""

    status: ClassVar[int] = 500
    code: str = "internal-error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", *, code: str | None = None, **members: Any) -> None:
        """`detail` is shown to the caller; `members` are extension members of the problem document."""
        super().__init__(detail)
        self.detail = detail
        self.members = members
        if code is not None:
            self.code = code


class RequestError(DicomSystemError):
    """The caller can mend it."""

    status = 400
    code = "invalid-request"
    title = "Invalid request"


class InvalidRequest(RequestError):
    """Malformed parameters or body."""


class NotAuthenticated(RequestError):
    """No usable credentials."""

    status = 401
    code = "not-authenticated"
    title = "Sign in first"


class WrongCredentials(NotAuthenticated):
    """User name or password are wrong, or the account is closed (the cases are not told apart)."""

    code = "wrong-credentials"
    title = "Wrong credentials"


class TokenExpired(NotAuthenticated):
    """The access token's time is over."""

    code = "token-expired"


class TokenInvalid(NotAuthenticated):
    """Signature, issuer, audience or form of the token is wrong."""

    code = "token-invalid"


class PermissionDenied(RequestError):
    """Known caller, not allowed."""

    status = 403
    code = "permission-denied"
    title = "Not allowed"


class SignInRefused(RequestError):
    """Somebody comes back from an identity provider, and is not let in; `code` names the reason."""

    status = 403
    code = "sign-in-refused"
    title = "Sign-in refused"


class NotFound(RequestError):
    """Unknown, or not the caller's to see (the two are not told apart)."""

    status = 404
    code = "not-found"
    title = "Not found"


class NotAcceptable(RequestError):
    """Nothing that the caller takes can be given."""

    status = 406
    code = "not-acceptable"
    title = "Not acceptable"


class RequestTimeout(RequestError):
    """The caller stopped sending."""

    status = 408
    code = "request-timeout"
    title = "Request timeout"


class TooSlow(RequestTimeout):
    """The caller sends, but hardly anything."""

    code = "too-slow"


class Conflict(RequestError):
    """The state of the resource forbids it."""

    status = 409
    code = "conflict"
    title = "Conflict"


class TooLarge(RequestError):
    """A documented size limit is exceeded."""

    status = 413
    code = "too-large"
    title = "Too large"


class UnsupportedType(RequestError):
    """The media type or file name extension is not accepted."""

    status = 415
    code = "unsupported-type"
    title = "Unsupported type"


class RangeNotSatisfiable(RequestError):
    """The Range header lies outside the object."""

    status = 416
    code = "range-not-satisfiable"
    title = "Range not satisfiable"


class InvalidContent(RequestError):
    """Understood, but the content breaks a rule; `code` names the rule."""

    status = 422
    code = "invalid-content"
    title = "Invalid content"


class TooManyRequests(RequestError):
    """A documented rate is exceeded."""

    status = 429
    code = "too-many-requests"
    title = "Too many requests"


class Unavailable(DicomSystemError):
    """A dependency does not answer; the same request may succeed later."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"


class NoRoom(Unavailable):
    """A queue that takes this event is full; what other queues take may be published meanwhile."""


class NotRecorded(Unavailable):
    """The audit log does not take the entry of what was asked for: it is not done, and not given out."""

    code = "not-recorded"

    def __init__(self) -> None:
        """The cause is the operator's to find, in the log of the service."""
        super().__init__("Nothing is done that cannot be recorded, and the record of activities is not open.")


class StorageError(DicomSystemError):
    """An object could not be read or written."""

    code = "storage-error"
    title = "Storage error"


class ObjectNotFound(StorageError):
    """No object under this key."""

    status = 404
    code = "object-not-found"
    title = "Object not found"


class ThumbnailMissing(ObjectNotFound):
    """There was a thumbnail, and it is lost, empty or corrupt; the file itself may be sound."""

    code = "thumbnail-missing"
    title = "Thumbnail missing"


class ObjectCorrupt(StorageError):
    """The container does not authenticate: flipped, cut, swapped or foreign bytes."""

    code = "object-corrupt"
    title = "Object corrupt"


class ObjectUnreadable(ObjectCorrupt):
    """The disk fails at the bytes of this object, as at a bad sector; another attempt may succeed."""

    code = "object-unreadable"
    title = "Object unreadable"


class SpoolFailed(StorageError):
    """An object could not be copied to where it is decoded; its size may be the reason."""


class ConfigurationError(DicomSystemError):
    """Start-up cannot go on; the detail is one sentence that says what to do."""

    code = "configuration"
    title = "Configuration error"


class Reject(DicomSystemError):
    """This message can never be handled: it goes to `.dead` with the reason."""

    code = "rejected-message"
    title = "Message rejected"


class EventTooLarge(Reject):
    """An event beyond MAX_EVENT_BYTES; it has not been published, and never will be."""

    status = 413
    code = "event-too-large"
    title = "Event too large"


class AttemptFailed(DicomSystemError):
    """An attempt at an event came to nothing; raised from its cause. To a bus like any error."""

    code = "attempt-failed"
    title = "Attempt failed"

    def __init__(self, note: Mapping[str, Any] | None = None, attempt: int | None = None) -> None:
        """`note` is JSON that the next attempts find in `Delivery.earlier`; never patient data.

        `attempt` is its number where a handler knows better than the bus, which counts every delivery that a
        lost worker held.
        """
        super().__init__("This attempt failed.")
        self.note: Mapping[str, Any] = note or {}
        self.attempt = attempt

    @property
    def kind(self) -> str:
        """The kind of error that it was raised from."""
        return type(self.__cause__ or self).__name__


class HandOn(DicomSystemError):
    """This worker leaves the delivery to whoever takes from `lane`; it is no attempt."""

    code = "handed-on"
    title = "Handed on"

    def __init__(self, lane: str) -> None:
        """`lane` is where it waits next, e.g. `large`."""
        super().__init__(f"handed on to the lane {lane}")
        self.lane = lane


class Undelivered(DicomSystemError):
    """In process: `subscription` gave a nested event up; never retried in place."""

    code = "undelivered"
    title = "Event undelivered"

    def __init__(self, subscription: str, reason: str) -> None:
        """`subscription` is the queue name, `reason` one line for the outbox row."""
        super().__init__(f"{subscription}: {reason}")
        self.subscription = subscription
        self.reason = reason

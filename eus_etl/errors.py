"""Errors that name the input by its id, the cause and what to do, and tell whether a retry can help.

Every error that a person may read is made here. Uploaded file names, names of people and pixels
never enter a message: messages end up in logs and in Dagster's event log.
"""


class EusEtlError(Exception):
    """Base of all errors of this package.

    The message is ``subject: cause. What to do: remedy.``

    Args:
        subject: id of the input (patient id, video id, config key), never an uploaded name.
        cause: what is wrong with it.
        remedy: what a person can do about it; empty where there is nothing to do.
    """

    def __init__(self, subject: str, cause: str, remedy: str = "") -> None:
        super().__init__(subject, cause, remedy)
        self.subject = subject
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        what_to_do = f" What to do: {self.remedy}." if self.remedy else ""
        return f"{self.subject}: {self.cause}.{what_to_do}"


class PermanentError(EusEtlError):
    """Trying again without a change of input or configuration gives the same error."""


class TransientError(EusEtlError):
    """Trying again later may succeed (a lost mount, a busy server)."""


class ConfigError(PermanentError):
    """A configuration file is missing, malformed or inconsistent."""


class ForeignRootError(PermanentError):
    """The study's root holds data that this package did not make."""


class RootFormatError(ForeignRootError):
    """The study's root was written by an earlier or a later version, in another format."""


class SnapshotLostError(TransientError):
    """What a source held at the last look is lost: the next look writes it again; it is not nothing."""


class RootUnavailableError(TransientError):
    """The study's root was there once and is not there now: a lost mount is no new study."""


class RootClaimedError(PermanentError):
    """The study's root already belongs to this package: there is nothing to take over."""


class VideoUnreadableError(PermanentError):
    """A file holds no video that can be used.

    Args:
        reason: one word for ``rejected.csv``: ``unreadable``, ``too_large``, ``still_image``,
            ``reader_died`` or ``no_progress``.
    """

    def __init__(self, subject: str, cause: str, remedy: str, reason: str = "unreadable") -> None:
        super().__init__(subject, cause, remedy)
        self.reason = reason


class OutputLostError(TransientError):
    """What was made is gone from the disk or cannot be read: it is made again, never taken as empty."""


class FramesMissingError(OutputLostError):
    """An extracted or preprocessed image is not where it was left, or is damaged."""


class SourceError(PermanentError):
    """A source (drive, label items, patient rows) cannot be read as configured.

    Asking again at once gives the same. It may be mended outside, unseen: so it is asked again after growing
    pauses.
    """


class SourceUnavailableError(TransientError):
    """A source does not answer now; unknown is not empty."""


class TextReaderError(PermanentError):
    """What reads the text on pictures is missing or damaged, or fails on one."""


class TextReaderDiedError(TransientError):
    """The process that reads the text on pictures died or gave no answer: for want of memory, say."""


class MachineError(TransientError):
    """The operating system refused something: a disk fails, a mount is lost, permissions are missing."""


class DatabaseError(TransientError):
    """A database, of Dagster or of a mirror, cannot be read or written."""


class NoDaemonError(TransientError):
    """Something was to be handed to the daemon, and there is none."""


class LeaseLostError(TransientError):
    """Another process has taken over what this one was working on: nothing more of it may be published."""


class UnexpectedError(TransientError):
    """An error that nobody foresaw, of this package or of a library; without its message."""


class BlockedError(PermanentError):
    """What an asset is made from is not current, so it is not made."""


class LeakError(PermanentError):
    """A release holds frames of validation or test whose like is in training."""


class OverlapError(PermanentError):
    """Intervals of labels that exclude one another overlap."""


class PatientUnknownError(PermanentError):
    """A patient id or alias names no visit of the study."""


class FrameUnknownError(PermanentError):
    """A frame id or the path of a picture names no frame of the study."""


class DiskFullError(TransientError):
    """The disk has no room for what would be written."""


class SourceFileGoneError(SourceUnavailableError):
    """A file that was listed is no longer in its source, or no longer shared."""


class SourceFileChangedError(SourceUnavailableError):
    """A file was replaced since it was listed; the next observation takes the new one."""


class SourceAccessError(SourceError):
    """The credentials are refused, or do not reach what the configuration names."""


class DownloadQuotaError(SourceError):
    """A source gives a file out no more for a while; asking again would only prolong that."""


class DownloadRefusedError(SourceError):
    """A source holds one file back: marked as harmful, or its download is switched off."""

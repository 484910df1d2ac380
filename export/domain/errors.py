"""What can go wrong in an export.

ExportError            a step cannot be done; the message says what to do
├── ParityError        it was done, but the result does not agree with torch
└── PublishError       a new version does not serve
"""


class ExportError(Exception):
    """A step that cannot be done; the message says what to do."""


class ParityError(ExportError):
    """An artefact that does not agree with torch. It must not be served."""


class PublishError(ExportError):
    """The new version does not serve; the old one does, or the message says otherwise."""

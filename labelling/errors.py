"""What can go wrong while labelling.

LabellingError        base class; the message names file, line and field, and says what to do
├── PromptError       a prompt file that cannot be read
├── PoolError         endpoints.yaml, or a key that it names
├── StoreError        the file of answers and grades
├── GradingError      a grader that cannot be set up, or whose grades cannot be trusted
├── ImportFormatError a result file of another program
├── PriorError        the table of a prior
└── RefreshError      a round that cannot go on
"""


class LabellingError(ValueError):
    """Base class: `except LabellingError` catches everything of this package that a user can mend."""


class PromptError(LabellingError):
    """A prompt file that cannot be read."""


class PoolError(LabellingError):
    """endpoints.yaml cannot be used, or a key that it names is not there."""


class StoreError(LabellingError):
    """The store cannot be opened or is of another version."""


class GradingError(LabellingError):
    """A grader that cannot be set up, or whose grades cannot be trusted."""


class ImportFormatError(LabellingError):
    """A result file that is not what its format says, or of a version that is not known."""


class PriorError(LabellingError):
    """The table of a prior cannot be used."""


class RefreshError(LabellingError):
    """A round of `routerdc refresh` that cannot go on."""

"""What a step of an export is: it says what it depends on, and it builds its artefacts in an empty folder.

Everything else is the same for every step and lies in `export.steps.runner`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from export.artefacts.files import link
from export.domain.targets import Precision
from export.parity.compare import Answers
from export.parity.scored_queries import RealParity
from export.parity.token_ids import TokenParity


@dataclass(frozen=True)
class Evidence:
    """Answers to the sample queries, which show how well a new artefact agrees with torch."""

    precision: Precision
    """decides how close to torch the answers have to be"""
    reference: Answers
    """torch's"""
    answers: Answers
    """the artefact's, or those of the graph that it was made of"""
    batch_error: float | None = None
    """see `export.artefacts.files.batch_error_of`; None: not measured"""
    real: RealParity | None = None
    """the same on scored queries that the user has; None: there are none"""
    tokens: TokenParity | None = None
    """of the code that tokenizes; None: the step has no such code"""
    is_own: bool = True
    """False: the artefact itself cannot run on this machine, so `answers` are those of its graph"""


@dataclass(frozen=True)
class Step(ABC):
    """One step; each module beside this one has one."""

    name: ClassVar[str]
    record_folder: ClassVar[str] = "."
    """where in `folder` the record and the files that it describes lie"""

    bundle: Path
    folder: Path
    """what the step fills; it is replaced as a whole"""

    @abstractmethod
    def inputs(self) -> dict[str, str]:
        """Everything that the artefacts depend on: SHA-256 of a file, or the value of an option, by name.

        Raises:
            ExportError: an earlier step has to run first, or a package is missing.
        """

    @abstractmethod
    def build(self, draft: Path) -> Evidence | None:
        """Makes the artefacts in the empty folder `draft`. None: nothing of them can be run on this machine.

        Raises:
            ExportError: they cannot be made.
            routerdc_contract.bundle.BundleError: the bundle cannot be used.
        """

    def build_head(self, draft: Path) -> Evidence | None:
        """The same where the old artefacts in `folder` are of the same encoder, and only the head is new.

        A step without anything that would take long makes all of it again.
        """
        return self.build(draft)

    def _keep(self, draft: Path, *files: str) -> None:
        """Takes those of the old artefacts over that exist."""
        for file in files:
            if (self.folder / file).is_file():
                link(self.folder / file, draft / file)

    def refuse_to_replace(self) -> None:  # noqa: B027 - most steps have nothing to protect
        """Protects an old artefact that is not current but may be of use elsewhere; a step that is named replaces it.

        Raises:
            ExportError: the old artefact has to stay.
        """

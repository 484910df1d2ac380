"""A new version beside the one in use in a live model repository: how it gets there, and how it goes again.

Every model of an exported repository gets its files under the same next version number. Only folders whose names are
numbers count for Triton, so a version is filled as a draft and appears whole. Does not know a running Triton.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from export.artefacts.files import link
from export.artefacts.record import RECORD_FILE
from export.domain.errors import PublishError
from export.steps.repository import VERSION
from export.triton.config import CONFIG_FILE
from routerdc_contract.tensors import ENCODER_MODEL, ROUTER_MODEL
from routerdc_contract.whole_file import whole_file, write_whole
from routerdc_contract.whole_folder import copy_folder

MODELS = (ENCODER_MODEL, ROUTER_MODEL)  # in the order of loading: the caller after whom it calls
_LOCK_FILE = ".publish.lock"


@dataclass(frozen=True)
class Change:
    """One change of a live repository."""

    live: Path
    source: Path
    models: tuple[str, ...]
    old: int
    new: int
    files: dict[Path, bytes]
    """what the change replaces of the models' own files (config.pbtxt, export.json), as it was"""

    @classmethod
    def plan(cls, source: Path, live: Path) -> "Change":
        """From the repository `source`, as `routerdc export` makes it, to a version of `live`. Changes nothing yet.

        Raises:
            PublishError: one of them is no repository, or they do not hold the same models.
        """
        models = _models(live)
        if models != _models(source):
            raise PublishError(
                f"{source} holds {', '.join(_models(source))}, {live} holds {', '.join(models)}: "
                "another target needs a Triton of its own"
            )
        old = max(max(_versions(live / model)) for model in models)
        paths = [live / model / name for model in models for name in (CONFIG_FILE, RECORD_FILE)]
        files = {path: path.read_bytes() for path in paths if path.is_file()}
        return cls(live, source, models, old, old + 1, files)

    def apply(self) -> None:
        """Puts the new version beside the old one, then the new models' own files in place of the old ones.

        What takes room on the disk comes first: a full one changes nothing.
        """
        names = [Path(model, name) for model in self.models for name in (CONFIG_FILE, RECORD_FILE)]
        files = {self.live / name: self.source / name for name in names if (self.source / name).is_file()}
        with ExitStack() as drafts:
            for path, origin in files.items():
                drafts.enter_context(whole_file(path)).write_bytes(origin.read_bytes())
            for model in self.models:
                self._fill(model, self.source / model / VERSION)

    def undo(self, *, tried: bool) -> None:
        """Puts the old version's own files back.

        Where a Triton `tried` to load the new version, the new one becomes a copy of the old one: Triton is not ready
        as long as the last thing it knows of a version is that it failed.
        """
        for model in self.models:
            if tried:
                self._fill(model, self.live / model / str(self.old))
            else:
                shutil.rmtree(self.live / model / str(self.new), ignore_errors=True)
        for path, content in self.files.items():
            if path.read_bytes() != content:
                write_whole(path, content)

    def finish(self) -> None:
        """Removes what is older than the old version, which stays on the disk."""
        for model in self.models:
            for version in _versions(self.live / model):
                if version < self.old:
                    shutil.rmtree(self.live / model / str(version))

    def _fill(self, model: str, origin: Path) -> None:
        folder = self.live / model / str(self.new)
        draft = folder.with_name(f".{self.new}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        copy_folder(origin, draft, link)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)


@contextmanager
def only_publisher(live: Path) -> Iterator[None]:
    """Makes sure that nobody else publishes to `live` while the block runs.

    Raises:
        PublishError: somebody does, or there is no such folder.
    """
    if not live.is_dir():
        raise PublishError(f"{live}: no model repository there")
    with (live / _LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PublishError(f"{live}: somebody else is publishing to it: wait for them") from None
        yield


def _models(repository: Path) -> tuple[str, ...]:
    models = tuple(name for name in MODELS if (repository / name / CONFIG_FILE).is_file())
    if ROUTER_MODEL not in models or not all(_versions(repository / model) for model in models):
        raise PublishError(
            f"{repository}: no model repository with {ROUTER_MODEL} there: fill it with `routerdc export`"
        )
    return models


def _versions(model: Path) -> list[int]:
    return sorted(int(path.name) for path in model.iterdir() if path.is_dir() and path.name.isdecimal())

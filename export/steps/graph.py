"""Step `graph`: bundle → <bundle>/graph/, the encoder as ONNX without its weights. The only step that needs torch.

    encoder.onnx            input_ids, attention_mask → embedding; initializers found in weights.json are left out
    weights.json            {initializer: which tensor of the encoder's or the bundle's safetensors file it is}
    reference.safetensors   torch's answers to the sample queries, which every later step is compared with
    export.json             how it was made, and its own parity

It is committed with the bundle, so that serving needs no torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from export.artefacts.files import GRAPH_FILE, REFERENCE_FILE, REFS_FILE, answers_of, graph_inputs
from export.domain.errors import ExportError
from export.parity.compare import Answers
from export.parity.samples import sample_queries
from export.steps.step import Evidence, Step
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest

if TYPE_CHECKING:
    from onnx import ModelProto

    from export.onnx.weights import WeightRef
    from routerdc.loaded_bundle import Router


@dataclass(frozen=True)
class GraphStep(Step):
    """Traces the bundle in the folder `bundle`."""

    traced: bool = True
    """False: a bundle that is built like a shipped one takes over that one's graph, which is proven like any other"""
    name = "graph"

    @classmethod
    def of(cls, bundle: Path, *, traced: bool = True) -> Self:
        """The graph lies in its bundle, and travels with it."""
        return cls(bundle, bundle / GRAPH_FOLDER, traced)

    def inputs(self) -> dict[str, str]:
        """The graph depends on the bundle and on the sample queries of its reference."""
        return graph_inputs(Manifest.read(self.bundle))

    def build(self, draft: Path) -> Evidence:
        """Traces the encoder, or takes a shipped bundle's graph over, and runs the graph.

        Raises:
            ExportError: torch is not installed.
            routerdc_contract.bundle.BundleError: the bundle cannot be used.
        """
        with self._torch():
            return Evidence("fp32", self._graph(draft), self._answers(draft))

    def build_head(self, draft: Path) -> Evidence:
        """Keeps the graph and torch's embeddings; only the scores are new."""
        self._keep(draft, GRAPH_FILE, REFS_FILE)
        with self._torch():
            from export.onnx.trace import rescored

            reference = rescored(Answers.read(self.folder / REFERENCE_FILE), self.bundle)
            reference.write(draft / REFERENCE_FILE)
            return Evidence("fp32", reference, self._answers(draft))

    @contextmanager
    def _torch(self) -> Iterator[None]:
        """Says what to install where a package is missing that the block imports."""
        try:
            yield
        except ModuleNotFoundError as error:
            raise ExportError(
                f"{self.bundle}: its graph has to be traced anew, which needs {error.name}: "
                "pip install -c constraints.txt 'routerdc-triton[export,train]'"
            ) from None

    def _graph(self, draft: Path) -> Answers:
        import onnx

        from export.onnx.shipped_graph import graph_like_shipped
        from export.onnx.weights import Refs
        from routerdc.loaded_bundle import Router

        router = Router.load(self.bundle)
        known = None if self.traced else graph_like_shipped(self.bundle)
        graph, refs = known or self._traced(router)
        onnx.save(graph, draft / GRAPH_FILE)
        (draft / REFS_FILE).write_bytes(Refs.dump_json(refs, indent=1, exclude_defaults=True) + b"\n")
        return self._reference(router, draft)

    def _traced(self, router: "Router") -> "tuple[ModelProto, dict[str, WeightRef]]":
        from export.onnx.assemble import weight_files
        from export.onnx.trace import trace
        from export.onnx.weights import take_out

        graph = trace(router.model, router.manifest.tokenizer.max_tokens)
        return graph, take_out(graph, weight_files(self.bundle, router.manifest))

    def _reference(self, router: "Router", draft: Path) -> Answers:
        from export.onnx.trace import torch_answers

        reference = torch_answers(router, sample_queries())
        reference.write(draft / REFERENCE_FILE)
        return reference

    def _answers(self, draft: Path) -> Answers:
        from export.onnx.assemble import write_artefacts

        with TemporaryDirectory() as folder:
            write_artefacts(self.bundle, Path(folder), graph=draft)
            return answers_of(Path(folder), sample_queries())

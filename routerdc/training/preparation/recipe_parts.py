"""The parts of a recipe that say how data are prepared: which encoder reads the queries, and what is learned from."""

from typing import Literal

from pydantic import Field

from routerdc.tokenization import Side
from routerdc.training.preparation.smoothing import Strength
from routerdc.training.preparation.targets import Judge
from routerdc_contract.frozen import Frozen


class EncoderRecipe(Frozen):
    """The pretrained encoder. `sources`: see `bundle.EncoderSpec`; `trained`: fine-tuned, or kept frozen."""

    name: str
    sources: tuple[str, ...] = Field(min_length=1)
    layers: int | None = Field(default=None, ge=0)
    pooling: Literal["cls", "mean"]
    max_tokens: int = Field(ge=8)
    truncation_side: Side
    trained: bool


class DataRecipe(Frozen):
    """What is learned from: labels, clusters, and how often each data set is drawn.

    `labels`: "score" (the number in the file), "quality" (1 if right), or "shrunk" (quality with its noise taken out:
    see `preparation.targets`, also for `residuals`). `clusters`: "given" (cluster_id, computed by t-SNE and
    k-means where a file has none), "kmeans" (of the encoder's features), or "data_set" (one a file; "kmeans" where
    there is a single file).
    `rows_per_data_set`: copies or leaves out rows until each data set has that many; null: every data set is drawn
    equally often instead.
    """

    labels: Literal["score", "quality", "smoothed", "shrunk"]
    smoothing: Strength | None = None
    residuals: Judge = "choice"
    clusters: Literal["given", "data_set", "kmeans"]
    n_clusters: int | None = Field(ge=1, description="null: as many as there are kinds of queries, 8 to 32")
    rows_per_data_set: int | None = Field(default=None, ge=1)
    without_templates: bool = Field(description="learn also from copies whose prompt template is taken away")
    held_out: float = Field(ge=0, lt=0.5, description="share kept for calibration and early stopping")

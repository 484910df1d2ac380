"""A recipe: everything that decides how a router is trained, as one readable YAML file (`routerdc/recipes/`).

A file that says `base: NAME` gives only what differs from the shipped recipe NAME. Unknown and missing fields are
errors that name the field. Does not know data.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from routerdc.encoder_source import MINILM_SOURCES
from routerdc.losses.logits import Of
from routerdc.training.preparation.recipe_parts import DataRecipe, EncoderRecipe
from routerdc_contract.frozen import Frozen
from routerdc_contract.yaml_model import NotYamlError, parse_yaml, problems

RECIPES = "routerdc.recipes"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the field."""


class HeadRecipe(Frozen):
    """Projection and scale (1 / temperature); see `routerdc.model.RouterConfig`."""

    projection: Literal["none", "linear", "mlp"]
    hidden: int = Field(default=0, ge=0)
    dim: int | None = Field(default=None, ge=1, description="null: the encoder's width")
    scale: float = Field(gt=0)
    bias: bool
    familiarity: bool = Field(default=False, description="leave the prior only as far as a query is familiar")


class PublishedLoss(Frozen):
    """The sample–LLM loss of the paper: `positives` is K+, `negatives` is K-."""

    kind: Literal["published"]
    positives: int = Field(ge=1)
    negatives: int = Field(ge=1)


class WeightedLoss(Frozen):
    """Weighted sample–LLM loss plus `correctness_weight` times the correctness loss.

    `of`: what the weights are a softmax of, qualities or their logits; see `routerdc.losses.weighted_sample_llm`.
    """

    kind: Literal["weighted"]
    sharpness: float = Field(gt=0)
    correctness_weight: float = Field(ge=0)
    of: Of = "quality"


class SampleSample(Frozen):
    """The sample–sample loss: λ is `weight`, H is `negatives` (null: all of the batch)."""

    weight: float = Field(ge=0)
    negatives: int | None = Field(default=None, ge=1)
    temperature: float = Field(gt=0)


class OptimizerRecipe(Frozen):
    """AdamW. `schedule`: "constant", or "one_cycle" (warm-up, then cosine down to nearly zero)."""

    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "one_cycle"]
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    feature_noise: float = Field(default=0.0, ge=0, description="Gaussian noise on standardised frozen features")
    evaluate_every: int | None = Field(default=None, ge=1, description="keep the best of these steps; null: the last")


class Recipe(Frozen):
    """A whole recipe."""

    name: str
    encoder: EncoderRecipe
    head: HeadRecipe
    sample_llm: PublishedLoss | WeightedLoss = Field(discriminator="kind")
    sample_sample: SampleSample
    data: DataRecipe
    optimizer: OptimizerRecipe

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.optimizer.feature_noise and self.encoder.trained:
            raise ValueError("optimizer.feature_noise: only a frozen encoder's features can get noise")
        if self.optimizer.evaluate_every and not self.data.held_out:
            raise ValueError("optimizer.evaluate_every: needs data.held_out above 0")
        return self

    def changed(self, **fields: Any) -> Self:
        """A copy with some fields changed: `recipe.changed(encoder={"layers": 2}, optimizer={"steps": 10})`."""
        merged = self.model_dump()
        for name, value in fields.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
        return self.model_validate(merged)

    def with_encoder(self, source: str) -> Self:
        """The same recipe over another encoder: "minilm", or a source (hub:…, path:…, wheel:…); all of its layers."""
        name, sources = (MINILM, MINILM_SOURCES) if source == "minilm" else (source.partition(":")[2], (source,))
        return self.changed(encoder={"name": name, "sources": sources, "layers": None})


def load_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by its name ("default", "paper", …), or a YAML file by its path.

    Raises:
        RecipeError: there is no such recipe, or a field is wrong.
    """
    try:
        fields = parse_yaml(_text(name_or_path))
        if isinstance(fields, dict) and "base" in fields:
            return _shipped(fields.pop("base"), name_or_path).changed(**fields)
        return Recipe.model_validate(fields)
    except NotYamlError as error:
        raise RecipeError(f"{name_or_path}: not YAML: {error}") from None
    except ValidationError as error:
        raise RecipeError(f"{name_or_path}: {problems(error, whole='recipe', model=Recipe)}") from None


def _text(name_or_path: str) -> str:
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise RecipeError(f"{path}: no such file")
        return path.read_text(encoding="utf-8")
    shipped = files(RECIPES) / f"{name_or_path}.yaml"
    if not shipped.is_file():
        raise RecipeError(f"{name_or_path}: no such recipe; shipped are {', '.join(shipped_recipes())}")
    return shipped.read_text(encoding="utf-8")


def _shipped(base: Any, wanted_by: str) -> Recipe:
    if base not in shipped_recipes():
        raise RecipeError(f"{wanted_by}: base: {base} is no shipped recipe; shipped are {', '.join(shipped_recipes())}")
    return load_recipe(base)


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(Path(item.name).stem for item in files(RECIPES).iterdir() if item.name.endswith(".yaml"))

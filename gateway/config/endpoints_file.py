"""endpoints.yaml: where each LLM of the pool is served, what it costs, and who answers when nobody can decide.

    default: [mistral-7b, llama-3-8b]        # ranked; the first that is allowed and in use answers
    llms:
      mistral-7b:
        price: 0.2                           # US dollars per million tokens; optional
        output_price: 0.6                    # optional, and input_price: what `routerdc collect` counts instead
        context_tokens: 8192                 # optional; longer queries go to other LLMs
        capabilities: [tools, json_schema]   # optional: vision, audio, video, files, tools, json_object, json_schema;
                                             # unset: every one. Requests that need another one go to other LLMs
        protocols: [openai, anthropic]       # optional, [openai] by default: what its endpoints speak
        parameters: {reasoning_effort: high} # optional: members of every body that goes to this LLM
        endpoints:
          - address: http://10.0.0.7:8000/v1 # base URL
            model: mistralai/Mistral-7B-v0.1 # the model name to ask for there
            in_use: false                    # optional, true by default; false takes the endpoint out
            weight: 3                        # optional, 1 by default; three times as many turns as an endpoint with 1
            probe_path: /health              # optional: asked from time to time (GET); below 400 is well
            api_key_env: MISTRAL_API_KEY     # optional, or api_key_file: where the data plane finds the key
            ca_file: /etc/ssl/ours.pem       # optional: who vouches for an https endpoint
    policy: {cost_weight: 0.02, min_margin: 0.05} # optional; unless a request or virtual model says otherwise
    virtual_models: {cheap: {cost_weight: 0.05}}  # optional; see virtual_models.py

Operators own this file, the bundle's LLM names come from Triton, and the two must have the same names. This module
reads and checks the file; it knows nothing of scores or requests.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from gateway.config import addresses
from gateway.config.virtual_models import AUTO, VirtualModel
from gateway.errors import EndpointsError, ExcludedError
from gateway.policy.capabilities import ApiProtocol, Capability
from gateway.policy.eligibility import permitted
from routerdc_contract.frozen import Frozen
from routerdc_contract.names import LlmName, text_fault
from routerdc_contract.yaml_model import YamlError, load_yaml_model


def _is_name(name: str) -> str:
    if fault := text_fault(name):
        raise ValueError(fault)
    return name


def _is_absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path: Envoy reads the file, wherever it runs")
    return path


def _is_variable(name: str) -> str:
    """Strict enough to refuse a key that was put there by mistake."""
    if not name.isidentifier() or not name.isascii():
        raise ValueError("must be the name of the environment variable that holds the key, not the key")
    return name


_CALLERS_OWN = ("model", "messages", "input", "prompt", "system", "instructions", "stream")


def _is_parameter(name: str) -> str:
    if not name.isidentifier() or not name.isascii():
        raise ValueError("must be the name of a member of a request's body, such as reasoning_effort")
    if name in _CALLERS_OWN:
        raise ValueError("is the caller's own and cannot be a parameter")
    return name


ParameterName = Annotated[str, AfterValidator(_is_parameter)]
Name = Annotated[str, AfterValidator(_is_name)]
VariableName = Annotated[str, AfterValidator(_is_variable)]
AbsolutePath = Annotated[Path, AfterValidator(_is_absolute)]


class Endpoint(Frozen):
    """One server that serves an LLM."""

    address: Annotated[str, AfterValidator(addresses.checked)]
    model: Name
    in_use: bool = True
    weight: int = Field(default=1, ge=1, le=1000)
    api_key_env: VariableName | None = Field(default=None, description="variable's name")
    api_key_file: AbsolutePath | None = None
    ca_file: AbsolutePath | None = None
    probe_path: str | None = Field(default=None, pattern=r"^/[!-~]*$", description="GET tells whether it is well")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("set api_key_env or api_key_file, not both")
        return self


class Llm(Frozen):
    """One LLM of the pool."""

    price: float | None = Field(default=None, ge=0, description="US dollars per million tokens")
    input_price: float | None = Field(default=None, ge=0, description="of prompts; read by `routerdc collect`")
    output_price: float | None = Field(default=None, ge=0, description="of answers; read by `routerdc collect`")
    context_tokens: int | None = Field(default=None, ge=1, le=2**31, description="longest input; unset: no limit")
    capabilities: tuple[Capability, ...] | None = Field(default=None, description="unset: every one")
    protocols: tuple[ApiProtocol, ...] = Field(default=(ApiProtocol.OPENAI,), min_length=1)
    parameters: dict[ParameterName, JsonValue] = Field(default={}, description="replace those of the caller's body")
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)


class Policy(Frozen):
    """What holds unless a request or its virtual model says otherwise."""

    cost_weight: float = Field(default=0.0, ge=0, description="score points per US dollar per million tokens")
    min_margin: float = Field(default=0.0, ge=0, description="the default answers unless the best is this much ahead")
    min_confidence: float = Field(default=0.0, ge=0, le=1, description="… or its calibrated probability this high")
    sticky_margin: float = Field(
        default=0.05, ge=0, description="a conversation keeps its LLM unless the best is further ahead"
    )
    switch_cost: float = Field(
        default=0.01,
        ge=0,
        description="added to sticky_margin for each 1,000 tokens in the chat (its prompt cache)",
    )


class EndpointsFile(Frozen):
    """The whole file."""

    default: tuple[str, ...] = Field(min_length=1)
    llms: dict[LlmName, Llm] = Field(min_length=1)
    policy: Policy = Policy()
    virtual_models: dict[Name, VirtualModel] = Field(default=AUTO)

    @property
    def prices(self) -> dict[str, float]:
        """US dollars per million tokens of the LLMs that have a price."""
        return {name: llm.price for name, llm in self.llms.items() if llm.price is not None}

    @property
    def endpoints(self) -> Iterator[tuple[str, Endpoint]]:
        """Every endpoint, with where it stands in the file."""
        for name, llm in self.llms.items():
            for i, endpoint in enumerate(llm.endpoints):
                yield f"llms.{name}.endpoints.{i}", endpoint

    @model_validator(mode="after")
    def _names_are_in_the_pool(self) -> Self:
        named = {"default": self.default}
        for name, virtual in self.virtual_models.items():
            named |= {f"virtual_models.{name}.allowed": virtual.allowed}
            named |= {f"virtual_models.{name}.denied": virtual.denied}
            named |= {f"virtual_models.{name}.default": virtual.default}
        for field, names in named.items():
            if unknown := [name for name in names if name not in self.llms]:
                raise ValueError(f"{field}: {', '.join(unknown)}: not among llms ({', '.join(self.llms)})")
        for name, virtual in self.virtual_models.items():
            try:
                permitted(frozenset(self.llms), self.prices, (virtual.rules,))
            except ExcludedError as error:
                raise ValueError(f"virtual_models.{name}: {error}") from None
        if self.policy.cost_weight and (unpriced := sorted(set(self.llms) - set(self.prices))):
            raise ValueError(
                f"policy.cost_weight: needs a price for every LLM; there is none for {', '.join(unpriced)}"
            )
        priced = {name for name, llm in self.llms.items() if llm.price is not None}
        for name, virtual in self.virtual_models.items():
            if problem := virtual.problem(self.llms.keys(), priced):
                raise ValueError(f"virtual_models.{name}: {problem}")
        if both := sorted(set(self.virtual_models) & set(self.llms)):
            raise ValueError(f"virtual_models: {', '.join(both)}: an LLM has that name")
        return self


def read(path: Path) -> EndpointsFile:
    """The checked content of endpoints.yaml.

    Raises:
        EndpointsError: no such file, not YAML, a name twice, or a wrong field; the message names file and field.
    """
    try:
        return load_yaml_model(EndpointsFile, path)
    except YamlError as error:
        raise EndpointsError(str(error)) from None

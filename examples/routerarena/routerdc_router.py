"""A trained bundle as a router of RouterArena (github.com/RouteWorks/RouterArena).

Copy this file to `router_inference/router/` of a checkout, install routerdc-triton[train] beside it, and use
`RouterDC(args.router_name)` in `router_inference/generate_prediction_file.py`. The configuration
`router_inference/config/ROUTER_NAME.json` has two fields more than RouterArena's own:

    {"pipeline_params": {
        "router_name": "routerdc",
        "models": ["gpt-4o-mini", "claude-3-haiku-20240307"],
        "bundle": "/srv/bundles/mine",
        "llms": {"gpt-4o-mini": "openai/gpt-4o-mini"}
    }}

`llms` gives the bundle's name of a model where RouterArena has another one. Only `models` are chosen from.
RouterArena's rules forbid to train or tune on its queries, so a bundle has to come from other data.
"""

from router_inference.router.base_router import BaseRouter

from routerdc.loaded_bundle import Router


class RouterDC(BaseRouter):
    """Chooses the model with the highest score of the bundle."""

    def __init__(self, router_name: str) -> None:
        """Loads the bundle.

        Raises:
            ValueError: the configuration has no `bundle`, or names a model that the bundle does not know.
            routerdc_contract.bundle.BundleError: the bundle cannot be used; the message says why.
        """
        super().__init__(router_name)
        parameters = self.config["pipeline_params"]
        if "bundle" not in parameters:
            raise ValueError(f"{router_name}.json: pipeline_params.bundle: missing: give the folder of a bundle")
        self._router = Router.load(parameters["bundle"])
        self._columns = self._columns_of(parameters.get("llms", {}))

    def _columns_of(self, names: dict[str, str]) -> dict[str, int]:
        columns = {llm: column for column, llm in enumerate(self._router.llms)}
        if unknown := [model for model in self.models if names.get(model, model) not in columns]:
            raise ValueError(
                f"{self.router_name}.json: models: the bundle does not know {', '.join(unknown)}; it knows "
                f"{', '.join(columns)}: map names by pipeline_params.llms, or leave the model out"
            )
        return {model: columns[names.get(model, model)] for model in self.models}

    def _get_prediction(self, query: str) -> str:
        scores = self._router.score([query])[0]
        return max(self._columns, key=lambda model: scores[self._columns[model]])

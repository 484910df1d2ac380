"""Serving before there is a bundle: the gateway answers with its default LLMs, and Triton starts with the first bundle.

The names of the LLMs alone decide whether a bundle belongs to endpoints.yaml.
"""

from pathlib import Path

import click
import yaml

from deploy.local.processes.process import ProcessError
from deploy.local.repository import repository_llms
from deploy.local.triton.server import TritonServer
from routerdc_contract.bundle import Manifest


def pool_llms(endpoints_file: Path) -> frozenset[str]:
    """Names of the LLMs in endpoints.yaml; none where it is not one, which the gateway will say."""
    try:
        content = yaml.safe_load(endpoints_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return frozenset()
    llms = content.get("llms") if isinstance(content, dict) else None
    return frozenset(map(str, llms)) if isinstance(llms, dict) else frozenset()


def is_for(bundle: Path, endpoints_file: Path) -> bool:
    """Whether `bundle` scores exactly the LLMs of `endpoints_file`."""
    return frozenset(Manifest.read(bundle).llm_names) == pool_llms(endpoints_file)


class FirstBundle:
    """Waits for a model repository whose LLMs are those of endpoints.yaml, and starts Triton with it."""

    def __init__(self, triton: TritonServer, folder: Path, endpoints_file: Path) -> None:
        self._triton = triton
        self._folder = folder
        self._endpoints_file = endpoints_file
        self._tried: frozenset[str] | None = None

    def look(self) -> None:
        """Starts Triton where there is a new repository to start it with; where that fails, the rest goes on."""
        if self._triton.started:
            return
        llms = repository_llms(self._folder)
        if llms is None or llms == self._tried or llms != pool_llms(self._endpoints_file):
            return
        self._tried = llms
        click.echo("there is a bundle for these LLMs: starting Triton …", err=True)
        try:
            self._triton.start()
        except ProcessError as error:
            click.echo(f"still without a router: {error}", err=True)
            return
        click.echo("routing has begun", err=True)

"""`routerdc init`: asks for the LLMs' endpoints, writes endpoints.yaml, and checks it by real calls."""

import asyncio
import os
from pathlib import Path

import click

from cli.answer import Answer, answers
from cli.progress import working
from gateway.config import addresses, endpoints_file
from gateway.errors import EndpointsError
from gateway.onboarding.check_command import ask_endpoints, show_findings
from gateway.onboarding.endpoint_calls import EndpointCallError, models
from gateway.onboarding.endpoints_text import Served, endpoints_text
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

NEXT = """\
Next: serve these LLMs; the first one answers until there is a router:
  routerdc gateway --endpoints-file {file} --start-without-router
Then grade them and train a router:
  routerdc collect --help"""


@click.command()
@click.option("--endpoint", "urls", multiple=True, metavar="URL", help="base URL of an OpenAI API (repeat for more)")
@click.option(
    "--api-key-env",
    "variables",
    multiple=True,
    metavar="NAME",
    help="variable that holds the key, for each --endpoint in its order, or one for all",
)
@click.option(
    "--model", "wanted", multiple=True, help="only this model (repeat for more) [default: all that they have]"
)
@click.option("--out", type=OutputPath(dir_okay=False), default=Path("endpoints.yaml"), show_default=True)
@click.option("--force", is_flag=True, help="replace the file if there is one")
@click.option("--no-call", is_flag=True, help="do not let every LLM answer a short question, which may cost a little")
@answers
def init(
    urls: tuple[str, ...],
    variables: tuple[str, ...],
    wanted: tuple[str, ...],
    out: Path,
    force: bool,
    no_call: bool,
    answer: Answer,
) -> None:
    """Write endpoints.yaml for LLM servers that you have: OpenAI-compatible ones, of any provider.

    Asks for what the options leave open. Asks each server which models it has, writes the file with comments, and lets
    every LLM answer once. Exit status: 0 if all of them did, 1 if not, 2 for a wrong call of this command.
    """
    if out.exists() and not force:
        raise click.UsageError(f"{out} exists already: choose another name with --out, or replace it with --force")
    places = _places(urls, variables) if urls else _asked_places()
    try:
        with working("asking which models there are"):
            found = asyncio.run(_models(places))
        llms = _pool(found, wanted)
        write_whole(out, endpoints_text(llms, out.name))
        content = endpoints_file.read(out)
    except (EndpointCallError, EndpointsError, OSError) as error:
        raise click.ClickException(str(error)) from None
    answer.add(file=out)
    answer.say(f"{out}: {len(llms)} LLMs at {len(places)} addresses")
    with working("asking the endpoints"):
        findings = asyncio.run(ask_endpoints(content, out, call=not no_call))
    show_findings(answer, findings, out)
    if any(finding.problem for finding in findings):
        raise click.ClickException(f"correct {out} and run: routerdc check --call {out}")
    answer.say(NEXT.format(file=out))


def _places(urls: tuple[str, ...], variables: tuple[str, ...]) -> list[Served]:
    if len(variables) not in (0, 1, len(urls)):
        raise click.UsageError("--api-key-env: give none, one for all endpoints, or one for each --endpoint")
    named = variables if len(variables) == len(urls) else variables * len(urls) or (None,) * len(urls)
    return [_place(url, variable) for url, variable in zip(urls, named, strict=True)]


def _asked_places() -> list[Served]:
    """From a person, one server after the other."""
    places: list[Served] = []
    while url := click.prompt("Base URL of an LLM server (empty: no more)", default="", show_default=False).strip():
        variable = click.prompt(
            "  Variable that holds its API key (empty: none)", default="", show_default=False
        ).strip()
        try:
            places.append(_place(url, variable or None))
        except click.UsageError as error:
            click.echo(f"  {error.message}", err=True)
    if not places:
        raise click.UsageError("no server was named")
    return places


def _place(url: str, variable: str | None) -> Served:
    try:
        address = addresses.checked(url.rstrip("/"))
    except ValueError as error:
        raise click.UsageError(f"{url}: {error}") from None
    if variable is not None and not variable.isidentifier():
        raise click.UsageError("--api-key-env: give the name of a variable, not the key itself")
    if variable is not None and not os.environ.get(variable):
        raise click.UsageError(f"the variable {variable} is not set here: export it and run this again")
    return address, variable


async def _models(places: list[Served]) -> list[tuple[Served, list[str]]]:
    keys = [os.environ[variable] if variable else None for _, variable in places]
    answers = await asyncio.gather(*(models(place[0], key) for place, key in zip(places, keys, strict=True)))
    return list(zip(places, answers, strict=True))


def _pool(found: list[tuple[Served, list[str]]], wanted: tuple[str, ...]) -> dict[str, list[Served]]:
    """By model, where it is served: the same model at two addresses is one LLM with two endpoints."""
    llms: dict[str, list[Served]] = {}
    for place, names in found:
        for name in names:
            if not wanted or name in wanted:
                llms.setdefault(name, []).append(place)
    if missing := [name for name in wanted if name not in llms]:
        have = ", ".join(sorted({name for _, names in found for name in names})) or "none"
        raise click.UsageError(f"--model {', '.join(missing)}: no server has it; they have {have}")
    if not llms:
        raise click.ClickException("the servers have no models")
    if wanted:  # in the order in which they were named: the first is the default
        return {name: llms[name] for name in wanted}
    return llms

"""`routerdc check`: says whether endpoints.yaml is right, and whether its endpoints answer."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from cli.answer import Answer, answers
from cli.progress import working
from cli.table import Column, Table
from gateway.config import addresses, endpoints_file
from gateway.config.endpoints_file import Endpoint, EndpointsFile
from gateway.errors import EndpointsError
from gateway.onboarding.endpoint_calls import EndpointCallError, answer, api_key, models
from routerdc_contract.yaml_model import line_of


@dataclass(frozen=True)
class Finding:
    """What one endpoint did; `problem` is empty where all is well."""

    llm: str
    address: str
    model: str
    line: int | None
    problem: str


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("endpoints.yaml"))
@click.option("--offline", is_flag=True, help="check the file alone, and ask no endpoint")
@click.option("--call", is_flag=True, help="let every endpoint answer one short question, which may cost a little")
@answers
def check(file: Path, offline: bool, call: bool, answer: Answer) -> None:
    """Say what is wrong with FILE (default: endpoints.yaml), with its line and how to mend it, and ask its endpoints.

    Exit status: 0 if all is well, 1 if something is wrong, 2 for a wrong call of this command.
    """
    try:
        content = endpoints_file.read(file)
    except EndpointsError as error:
        raise click.ClickException(str(error)) from None
    with working("asking the endpoints"):
        findings = [] if offline else asyncio.run(ask_endpoints(content, file, call=call))
    wrong = [finding for finding in findings if finding.problem]
    answer.add(file=file, ok=not wrong)
    answer.say(f"{file}: {len(content.llms)} LLMs, {sum(1 for _ in content.endpoints)} endpoints; {_verdict(wrong)}")
    if offline:
        answer.add(endpoints=[])
    else:
        show_findings(answer, findings, file)
    alike = list(_alike(content, file))
    answer.add(alike=alike)
    for sentence in alike:
        click.echo(f"{sentence}: correct one, or take it out", err=True)
    if wrong:
        raise SystemExit(1)


def _verdict(wrong: list[Finding]) -> str:
    return f"{len(wrong)} of them cannot be used" if wrong else "all is well"


def _alike(content: EndpointsFile, file: Path) -> Iterator[str]:
    """A sentence for each endpoint that asks what an earlier one asks: a copied entry that was not changed.

    A pool may hold one model twice, with other `parameters`.
    """
    earlier: dict[tuple[str, str, str], str] = {}
    for name, llm in content.llms.items():
        for index, endpoint in enumerate(llm.endpoints):
            asks = (endpoint.address, endpoint.model, repr(sorted(llm.parameters.items())))
            if asks in earlier:
                line = line_of(file, ("llms", name, "endpoints", index))
                yield f"{file}:{line}: {name}: has the address and the model of an endpoint of {earlier[asks]}"
            earlier.setdefault(asks, name)


async def ask_endpoints(content: EndpointsFile, file: Path, *, call: bool) -> list[Finding]:
    """Asks every endpoint that is in use for its models and, with `call`, for one answer."""
    asked = [
        (name, index, endpoint)
        for name, llm in content.llms.items()
        for index, endpoint in enumerate(llm.endpoints)
        if endpoint.in_use
    ]
    problems = await asyncio.gather(*(_problem(endpoint, call=call) for _, _, endpoint in asked))
    return [
        Finding(name, endpoint.address, endpoint.model, line_of(file, ("llms", name, "endpoints", index)), problem)
        for (name, index, endpoint), problem in zip(asked, problems, strict=True)
    ]


async def _problem(endpoint: Endpoint, *, call: bool) -> str:
    try:
        key = api_key(endpoint)
        known = await models(endpoint.address, key, endpoint.ca_file)
        if endpoint.model not in known:
            shown = ", ".join(known[:5]) + (" …" if len(known) > 5 else "")
            return f"has no model {endpoint.model!r}; it has {shown or 'none'}: correct `model`"
        if call:
            await answer(endpoint.address, endpoint.model, key, endpoint.ca_file)
    except EndpointCallError as error:
        hint = addresses.hint(endpoint.address)
        return f"{error}; {hint}" if hint else str(error)
    return ""


def show_findings(answer: Answer, findings: list[Finding], file: Path) -> None:
    """A table of the endpoints, and a line on standard error for each that is not well."""
    rows = [(f.llm, f.address if not f.problem else f"{f.address} (see below)") for f in findings]
    answer.show("endpoints", Table([Column("LLM"), Column("endpoint")], rows), findings)
    for finding in findings:
        if finding.problem:
            where = f"{file}:{finding.line}" if finding.line else str(file)
            click.echo(f"{where}: {finding.llm}: {finding.problem}", err=True)

"""`routerdc route`: asks a running gateway about one query and prints the decision."""

import sys
from pathlib import Path

import click
from google.protobuf import json_format

from cli.answer import Answer, answers
from cli.table import Column, Table
from routerdc_client.messages import CONVERT
from routerdc_contract.v1 import router_pb2 as pb

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("query")
@click.option("--address", default="127.0.0.1:50051", show_default=True, help="The gateway, as host:port.")
@click.option("--tls", is_flag=True, help="Connect with TLS; the three options below imply it.")
@click.option("--ca-file", type=_FILE, help="Authorities of the gateway's certificate, PEM.  [default: (the system's)]")
@click.option("--cert-file", type=_FILE, help="Certificate to show to the gateway, PEM.")
@click.option("--key-file", type=_FILE, help="The private key of that certificate, PEM.")
@click.option("--api-key", envvar="ROUTERDC_API_KEY", help="API key; better given as the variable ROUTERDC_API_KEY.")
@click.option("--deadline-ms", type=click.FloatRange(min=1), default=1000, show_default=True, help="Time to wait.")
@click.option("--allow", multiple=True, metavar="LLM", help="Only this LLM may answer (repeatable).")
@click.option("--deny", multiple=True, metavar="LLM", help="This LLM may not answer (repeatable).")
@click.option("--cost-weight", type=float, help="Score points to give up for each US dollar per million tokens.")
@click.option("--max-price", type=float, help="Only LLMs that cost at most so many US dollars per million tokens.")
@click.option("--min-margin", type=float, help="The default LLM answers unless the best is ahead by so much.")
@click.option("--min-confidence", type=float, help="… or is right with this probability.")
@click.option("--session", default="", metavar="ID", help="Queries with the same ID keep their LLM.")
@click.option("--candidates", type=click.IntRange(min=0), default=3, show_default=True, help="Ranked LLMs to show.")
@answers
def route(
    query: str,
    address: str,
    tls: bool,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    api_key: str | None,
    deadline_ms: float,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    cost_weight: float | None,
    max_price: float | None,
    min_margin: float | None,
    min_confidence: float | None,
    session: str,
    candidates: int,
    answer: Answer,
) -> None:
    """Ask which LLM should answer QUERY ("-": read it from standard input)."""
    from routerdc_client import ClientTls, RouteError, RouterClient

    text = _standard_input() if query == "-" else query
    if (cert_file is None) != (key_file is None):
        raise click.UsageError("--cert-file and --key-file: give both or none")
    secure = ClientTls(ca_file, cert_file, key_file) if tls or ca_file or cert_file else None
    try:
        with RouterClient(address, tls=secure, api_key=api_key) as router:
            response = router.route(
                text,
                allowed_llms=allow,
                denied_llms=deny,
                cost_weight=cost_weight,
                max_price=max_price,
                min_margin=min_margin,
                min_confidence=min_confidence,
                session_id=session,
                max_candidates=candidates,
                deadline_ms=deadline_ms,
            )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except RouteError as error:
        raise click.ClickException(_explained(error.code.name, error.message, address)) from None
    answer.show("candidates", _table(response))
    answer.add(**json_format.MessageToDict(response, preserving_proto_field_name=True))
    answer.say(_summary(response))


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode(sys.stdin.encoding)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise click.UsageError(f"standard input: byte 0x{byte:02x} is not {error.encoding}: {CONVERT}") from None


def _explained(code: str, message: str, address: str) -> str:
    if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
        return f"no answer from a gateway at {address} ({message}); start one with `routerdc gateway` or `make run`"
    return message


def _table(response: pb.RouteResponse) -> Table:
    scored = bool(response.bundle_id)
    costs = any(candidate.adjusted_score != candidate.score for candidate in response.candidates)
    columns = [Column("LLM")]
    columns += [Column("score", ".4f")] if scored else []
    columns += [Column("after cost", ".4f")] if costs else []
    rows = []
    for candidate in response.candidates:
        scores = [candidate.score] if scored else []
        scores += [candidate.adjusted_score] if costs else []
        rows.append((candidate.llm, *scores, _endpoint(candidate)))
    return Table([*columns, Column("endpoint")], rows)


def _endpoint(candidate: pb.Candidate) -> str:
    """Address, and the model name to ask for there where it is not the LLM's own."""
    endpoint = candidate.endpoint
    return endpoint.address if endpoint.model == candidate.llm else f"{endpoint.address} ({endpoint.model})"


def _summary(response: pb.RouteResponse) -> str:
    reason = pb.Reason.Name(response.reason).removeprefix("REASON_").lower()
    parts = [f"{reason}: {response.reason_detail}"]
    if response.HasField("margin"):
        parts.append(f"margin {response.margin:.4f}")
    if response.HasField("familiarity"):
        parts.append(f"familiarity {response.familiarity:.2f}")
    if response.token_count:
        parts.append(f"{response.token_count} tokens{' (truncated)' if response.truncated else ''}")
    parts.append(f"{response.timings.total_ns / 1e6:.2f} ms in the gateway")
    return " · ".join(parts)

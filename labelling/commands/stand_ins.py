"""`routerdc stand-ins`: a pool and a judge to try everything with, without a key or a cent."""

import asyncio
import json
from pathlib import Path

import click

from routerdc_contract.whole_file import write_whole


@click.command("stand-ins")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("first-router"), show_default=True,
    help="Where prompts.jsonl, endpoints.yaml and judge.yaml are written.",
)  # fmt: skip
@click.option("--prompts", "count", type=click.IntRange(min=6), default=1000, show_default=True)
@click.option("--port", type=click.IntRange(min=0, max=65535), default=0, help="Default: any that is free.")
def stand_ins(folder: Path, count: int, port: int) -> None:
    """Serve five stand-in LLMs of known skill and a judge on 127.0.0.1, until stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_prompts(folder / "prompts.jsonl", count)
    asyncio.run(_serve(folder, port))


def _write_prompts(path: Path, count: int) -> None:
    from labelling.standins.tasks import prompts

    lines = (json.dumps({"question": text, "domain": kind}, ensure_ascii=False) for text, kind in prompts(count))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


async def _serve(folder: Path, port: int) -> None:
    from aiohttp import web

    from labelling.standins.server import StandIns

    runner = web.AppRunner(StandIns().application(), access_log=None, handle_signals=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    write_judge(folder / "judge.yaml", address)
    write_endpoints(folder / "endpoints.yaml", address)
    click.echo(f"stand-ins answer at {address}; the pool is in {folder / 'endpoints.yaml'}")
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def write_judge(path: Path, address: str) -> None:
    """judge.yaml of the stand-in judge."""
    import yaml

    judge = {"price": 2.0, "endpoints": [{"address": f"{address}/judge/v1", "model": "judge"}]}
    path.write_text(yaml.safe_dump(judge, sort_keys=False), encoding="utf-8")


def write_endpoints(path: Path, address: str) -> None:
    """endpoints.yaml of the stand-ins that answer at `address`."""
    import yaml

    from labelling.standins.skills import PRICES

    llms = {
        name: {"price": price, "endpoints": [{"address": f"{address}/{name}/v1", "model": name}]}
        for name, price in PRICES.items()
    }
    write_whole(path, yaml.safe_dump({"default": ["generalist"], "llms": llms}, sort_keys=False))

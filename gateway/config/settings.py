"""The gateway's settings from all their sources, in one frozen object of groups.

    defaults < YAML file < environment (ROUTERDC_PORT) < command line (--port)

Every source uses the same flat names; the groups (`gateway.config.groups`) are how the code sees them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.groups import (
    Cache,
    Deadlines,
    DecisionLogging,
    EndpointRules,
    Files,
    Group,
    Limits,
    Listen,
    Logs,
    OpenAi,
    Scoring,
    SessionLimits,
    Shadow,
    Shutdown,
    Tls,
    Traces,
)
from gateway.errors import SettingsError
from routerdc_contract.faults import said
from routerdc_contract.yaml_model import YamlError, load_yaml

ENV_PREFIX = "ROUTERDC_"
# Variables of other programs of ours.
_OTHER_VARIABLES = frozenset({"ROUTERDC_CONFIG", "ROUTERDC_API_KEY", "ROUTERDC_DATA"})
# A service `routerdc` gives every pod ROUTERDC_PORT=tcp://10.0.0.1:50051, which is no setting of ours.
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
_SERVICE_LINK_NAME = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")


class Settings(BaseModel):
    """How this gateway runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Listen = Listen()
    files: Files = Files()
    tls: Tls = Tls()
    deadlines: Deadlines = Deadlines()
    limits: Limits = Limits()
    openai: OpenAi = OpenAi()
    scoring: Scoring = Scoring()
    cache: Cache = Cache()
    sessions: SessionLimits = SessionLimits()
    endpoints: EndpointRules = EndpointRules()
    shadow: Shadow = Shadow()
    decision_log: DecisionLogging = DecisionLogging()
    traces: Traces = Traces()
    logs: Logs = Logs()
    shutdown: Shutdown = Shutdown()

    @model_validator(mode="before")
    @classmethod
    def _grouped(cls, values: Any) -> Any:
        """Puts flat names into their groups. What belongs to none stays, and is refused by its name."""
        if not isinstance(values, dict):
            return values
        home = {name: group for group, name, _ in fields()}
        grouped: dict[str, Any] = {}
        for name, value in values.items():
            if name in home:
                grouped.setdefault(home[name], {})[name] = value
            else:
                grouped[name] = value
        return grouped

    def changed(self, **values: Any) -> Self:
        """The same settings but for those in `values`, by their flat names."""
        flat = {name: value for group in self.model_dump().values() for name, value in group.items()}
        return self.model_validate({**flat, **values})


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """Group, name and description of every setting, in the order of the reference page."""
    for group, field in Settings.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type)  # noqa: S101 - every field of Settings is a group
        assert issubclass(kind, Group)  # noqa: S101
        for name, setting in kind.model_fields.items():
            yield group, name, setting


def load(config_file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from all their sources.

    Raises:
        SettingsError: one of them is wrong; the message names it.
    """
    values = {**_file(config_file), **_environment(os.environ), **(flags or {})}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(map(_told, error.errors()))) from None


def _told(fault: ErrorDetails) -> str:
    name = str(fault["loc"][-1]) if fault["loc"] else "settings"
    if fault["type"] != "extra_forbidden":
        return f"{name}: {said(fault)}"
    near = get_close_matches(name, [known for _, known, _ in fields()], n=1)
    return f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "")


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none, with the nearest name where one is near."""
    bare = [name.upper() for _, name, _ in fields()]
    known = {f"{ENV_PREFIX}{name}" for name in bare} | _OTHER_VARIABLES
    sentences = []
    for name in sorted(name for name in environment if name.startswith(ENV_PREFIX)):
        if name in known or _SERVICE_LINK_NAME.fullmatch(name):
            continue
        near = [f"{ENV_PREFIX}{match}" for match in get_close_matches(name.removeprefix(ENV_PREFIX), bare, n=1)]
        sentences.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return sentences


def _file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    if not path.is_file():
        raise SettingsError(f"{path}: no such file")
    try:
        content = load_yaml(path)
    except YamlError as error:
        raise SettingsError(str(error)) from None
    if content is not None and not isinstance(content, dict):
        raise SettingsError(f"{path}: not a YAML mapping of settings to values")
    groups = [name for name in content or {} if name in Settings.model_fields]
    if groups:
        raise SettingsError(f"{path}: {groups[0]}: not a setting; write the settings of this group without it")
    return content or {}


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    found = ((name, variables.get(f"{ENV_PREFIX}{name.upper()}")) for _, name, _ in fields())
    return {name: value for name, value in found if value is not None and not _SERVICE_LINK.match(value)}

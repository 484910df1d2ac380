"""Pods of the manifests as containers of an engine: a pod's rules become the engine's flags."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.container_engine import Container, call, engine, image, start
from tests.support.rendered import Object, arguments, byte_count, containers, cores, environment, named, pod

SHARE = "import os, sys; os.chown('/volume', 0, int(sys.argv[1])); os.chmod('/volume', 0o2775)"


@dataclass(frozen=True)
class Conditions:
    """What a cluster may do differently from ours."""

    user: int = 10001
    group: int = 10001
    fs_group: int = 10001
    network: tuple[str, ...] = ()
    loopback: str = "127.0.0.1"  # `localhost` has both addresses in a pod, not in every engine's container


@dataclass
class Cluster:
    """A network with names, volumes and what runs there; everything goes with it."""

    conditions: Conditions
    folder: Path
    name: str = field(default_factory=lambda: f"routerdc-check-{secrets.token_hex(4)}")
    started: list[Container] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)

    def run(
        self, objects: tuple[Object, ...], workload: str, one: str, *, kind: str = "Deployment", **changes: str
    ) -> Container:
        """Starts a container of a workload as it stands there; `changes` replace arguments by their flag."""
        found = named(objects, kind, workload)
        (spec,) = [each for each in containers(found) if each["name"] == one]
        words = [_changed(word, changes) for word in arguments(objects, spec)]
        running = start(f"{self.name}-{one}", spec["image"], self._options(objects, found, spec), words)
        self.started.append(running)
        return running

    def once(self, short_name: str, entrypoint: str, *words: str) -> str:
        """What a confined container of an image says, which ends by itself."""
        options = ["--rm", f"--entrypoint={entrypoint}", *self._confined(), "--tmpfs=/tmp"]
        return call("run", *options, image(short_name), *words)

    def _options(self, objects: tuple[Object, ...], workload: Object, spec: Object) -> list[str]:
        limits = spec["resources"]["limits"]
        name, namespace = workload["metadata"]["name"], workload["metadata"]["namespace"]
        options = [*self._confined(), f"--network-alias={name}", f"--network-alias={name}.{namespace}"]
        options += [f"--memory={byte_count(limits['memory'])}", f"--cpus={cores(limits['cpu'])}"]
        options += [f"--env={name}={value}" for name, value in environment(objects, spec).items() if value is not None]
        for mount in spec["volumeMounts"]:
            (volume,) = [each for each in pod(workload)["volumes"] if each["name"] == mount["name"]]
            options.append(self._mounted(objects, volume, mount))
        return options

    def _confined(self) -> list[str]:
        conditions = self.conditions
        options = [f"--network={self.name}", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        options += [f"--user={conditions.user}:{conditions.group}", f"--group-add={conditions.fs_group}"]
        return options + (["--read-only-tmpfs=false"] if engine() == "podman" else [])

    def _mounted(self, objects: tuple[Object, ...], volume: Object, mount: Object) -> str:
        path, mode = mount["mountPath"], ":ro" if mount.get("readOnly") else ""
        if "configMap" in volume:
            return f"--volume={self._files(objects, volume['configMap']['name'])}:{path}{mode}"
        if volume["name"] == "models":  # the one that two containers share
            return f"--volume={self._shared('models')}:{path}{mode}"
        return f"--tmpfs={path}:size={byte_count(volume['emptyDir']['sizeLimit'])},mode=1777"

    def _files(self, objects: tuple[Object, ...], config_map: str) -> Path:
        folder = self.folder / config_map
        folder.mkdir(exist_ok=True)
        for name, content in named(objects, "ConfigMap", config_map)["data"].items():
            (folder / name).write_text(content, encoding="utf-8")
        folder.chmod(0o755)
        return folder

    def _shared(self, name: str) -> str:
        """A volume that belongs to fsGroup, as the kubelet makes it."""
        volume = f"{self.name}-{name}"
        if volume not in self.volumes:
            call("volume", "create", volume)
            self.volumes.add(volume)
            options = ["--rm", "--user=0:0", f"--volume={volume}:/volume", "--entrypoint=python"]
            call("run", *options, image("exporter"), "-c", SHARE, str(self.conditions.fs_group))
        return volume


def _changed(word: str, changes: dict[str, str]) -> str:
    flag = word.partition("=")[0].removeprefix("--")
    return f"--{flag}={changes[flag.replace('-', '_')]}" if flag.replace("-", "_") in changes else word


@contextmanager
def cluster(conditions: Conditions, folder: Path) -> Iterator[Cluster]:
    """An empty one, which leaves nothing behind."""
    made = Cluster(conditions, folder)
    call("network", "create", *conditions.network, made.name)
    try:
        yield made
    finally:
        for one in reversed(made.started):
            if sys.exc_info()[0]:
                print(f"== {one.name}\n{one.log()[-3000:]}")
            one.remove()
        for volume in made.volumes:
            call("volume", "rm", volume)
        call("network", "rm", made.name)

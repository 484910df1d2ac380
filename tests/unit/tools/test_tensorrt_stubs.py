"""The generated stub becomes valid Python without losing a signature."""

import ast

from tools.tensorrt_stubs import repaired

GENERATED = """\
class Dims:
    def pad(self, in: tensorrt_bindings.tensorrt.Dims, fill: int) -> tensorrt_bindings.tensorrt.Dims: ...
    def create(self, sizes: list[tuple[int, int]] = [(1, 2)], name: str) -> None: ...
    def plain(self, name: str) -> None: ...
"""


def test_a_stub_is_valid_python_with_the_public_names() -> None:
    stub = repaired(GENERATED)
    ast.parse(stub)
    assert "def pad(self, in_: Dims, fill: int) -> Dims" in stub


def test_what_follows_a_default_has_one_too() -> None:
    stub = repaired(GENERATED)
    assert "def create(self, sizes: list[tuple[int, int]] = ..., name: str = ...) -> None: ..." in stub
    assert "def plain(self, name: str) -> None: ..." in stub

"""Imports go without the garbage collector, and it goes on as before."""

import gc

import pytest

from cli.importing import importing


def test_nothing_is_collected_meanwhile_whatever_happens() -> None:
    assert gc.isenabled()
    with importing():
        assert not gc.isenabled()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with importing(), importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

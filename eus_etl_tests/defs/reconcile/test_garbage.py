"""The collector is held back in the block alone."""

import gc

import pytest

from eus_etl.defs.reconcile.garbage import seldom_collected


def test_the_collector_works_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold()[0] > before[0]
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold() == before

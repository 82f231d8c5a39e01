"""Who waits for the layers hears of each as it ends, and of one that turns out otherwise again."""

from __future__ import annotations

import pytest

from daemon.engine.chart import Chart, Ended
from daemon.ports import ProviderFault
from states import BindStep, Fault
from tests.clock import ManualClock


async def test_each_layer_is_told_as_it_ends_and_an_amended_one_again() -> None:
    """Whoever keeps the last of each name has what the report has."""
    told: list[BindStep] = []
    chart = Chart(ManualClock(), told.append)
    async with chart.layer("configuration") as line:
        line.detail = "all secrets readable"
    assert [layer.step for layer in told] == ["configuration"]
    chart.passed("discover", "the account is served by https://eu.example.test")
    with pytest.raises(Ended):
        chart.fail("sign-in", ProviderFault(Fault.WRONG_REGION, "another region serves this account"))
    assert [(layer.step, layer.status) for layer in told[1:]] == [("discover", "passed"), ("discover", "failed")]
    report = chart.finished()
    kept = {layer.step: layer for layer in told}
    assert kept == {layer.step: layer for layer in report}

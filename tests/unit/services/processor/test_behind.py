"""When files are measured behind those that arrive at the same process."""

from __future__ import annotations

from pathlib import Path

from libs.common.arrivals import Arrivals
from services.processor.app import goes_behind
from services.processor.settings import ProcessorSettings


def test_behind_while_files_arrive_unless_it_is_to_be_no_nicer(tmp_path: Path) -> None:
    arrivals, settings = Arrivals(), ProcessorSettings(data_dir=tmp_path)
    assert not goes_behind(settings, arrivals)
    for _ in range(10):
        arrivals.note()
    assert goes_behind(settings, arrivals)
    assert not goes_behind(settings.model_copy(update={"worker_nice": 0}), arrivals)

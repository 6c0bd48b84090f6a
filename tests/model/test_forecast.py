import re
import time

import pytest

from smt_model.forecast import Forecast, duration


def test_it_speaks_once_when_enough_steps_were_measured() -> None:
    forecast = Forecast(1060)
    assert forecast.text(5) is None  # the first call builds the graph
    time.sleep(1.1)
    assert forecast.text(54) is None
    said = forecast.text(60)
    assert said is not None
    # 55 steps in 1.1 s or, as sleeping may take longer, more: at most 50 steps/s.
    rate = float(re.findall(r"measured ([\d.]+) steps/s this takes \d+ ", said)[0])
    assert 5 < rate <= 50
    assert forecast.text(120) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3_600 * 5 + 60, "5 h 1 min"),
        (86_400 * 3 + 3_600 * 4 + 5, "3 d 4 h"),
    ],
)
def test_lengths_of_time_are_written_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text

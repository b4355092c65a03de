"""How long retries wait: anything up to a bound that grows, so that what failed together comes back apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.retry import RETRY_DELAYS, WORK_RETRY_DELAYS, full_jitter, nearest

DELAYS = st.sampled_from([RETRY_DELAYS, WORK_RETRY_DELAYS])


def test_the_bound_grows_to_the_last_and_stays() -> None:
    assert [full_jitter(RETRY_DELAYS, retries, 1.0) for retries in range(5)] == [1, 10, 60, 60, 60]
    assert full_jitter(RETRY_DELAYS, 7, 0.5) == 30
    assert full_jitter(RETRY_DELAYS, 0, 0.0) == 0


@given(DELAYS, st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_beyond_its_bound_and_each_has_a_queue(
    delays: tuple[float, ...], retries: int, share: float
) -> None:
    delay = full_jitter(delays, retries, share)
    bound = delays[min(retries, len(delays) - 1)]
    assert 0 <= delay <= bound
    tier = nearest(delays, delay)
    assert tier in delays
    assert tier <= bound
    assert all(abs(tier - delay) <= abs(other - delay) for other in delays)


def test_files_that_are_put_off_together_come_back_in_every_tier() -> None:
    shares = [number / 1000 for number in range(1000)]
    tiers = [nearest(WORK_RETRY_DELAYS, full_jitter(WORK_RETRY_DELAYS, 99, share)) for share in shares]
    assert set(tiers) == set(WORK_RETRY_DELAYS)
    assert max(map(tiers.count, WORK_RETRY_DELAYS)) < 400


def test_of_two_that_are_as_close_the_shorter_is_waited() -> None:
    assert nearest((2.0, 4.0), 3.0) == nearest((4.0, 2.0), 3.0) == 2.0

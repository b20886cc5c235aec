import random
from itertools import islice, pairwise

from console.links.backoff import LEAST, MOST, backoff


def test_delays_grow_to_the_most_and_stay_there() -> None:
    for seed in range(200):
        delays = list(islice(backoff(random.Random(seed)), 20))
        assert all(LEAST <= delay <= MOST for delay in delays)
        assert delays[0] <= 2 * LEAST
        assert all(earlier <= later for earlier, later in pairwise(delays[:4]))
        assert min(delays[5:]) >= MOST / 2


def test_the_first_delay_is_random() -> None:
    assert len({next(backoff()) for _ in range(20)}) > 1

"""Streams of chance that have nothing to do with each other."""

from robo_ts.seeds import derive


def test_every_seed_and_purpose_has_a_stream_of_its_own():
    seeds = {
        derive(seed, *path)
        for seed in (-1, 0, 1, 2, 2**63)
        for path in ((), ("reset",), ("step",), ("batch", 0), ("batch", 1), ("batch", 1, 0))
    }
    assert len(seeds) == 30
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_purpose_gives_the_same_seed():
    assert derive(3, "evaluate", 1) == derive(3, "evaluate", 1)

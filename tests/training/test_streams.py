"""Random streams: each is its seed's and its name's, for ever and whatever else was drawn."""

import hashlib

import torch

from pipeline.training.streams import derive, seeded, stream


def test_streams_differ_by_seed_name_and_number():
    seeds = [
        derive(seed, *names)
        for seed in range(3)
        for names in [("init",), ("shuffle", 0), ("shuffle", 1), ("augment", 0, 1), ("augment", 1, 0), ("augment", 10)]
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_stream_is_fixed_for_ever():
    """Runs of today and of tomorrow, of one process and of another, must share it."""
    assert derive(0, "shuffle", 3) == int(hashlib.sha256(b"0/shuffle/3").hexdigest()[:16], base=16) // 2
    assert derive(0, "init") == 1519069808562059438


def test_a_stream_does_not_depend_on_what_was_drawn_before():
    def draw(*names) -> list[int]:
        return torch.randint(0, 1000, (5,), generator=stream(0, *names)).tolist()

    forwards = [draw("shuffle", 0), draw("shuffle", 1), draw("augment", 0, 0)]
    backwards = [draw("augment", 0, 0), draw("shuffle", 1), draw("shuffle", 0)]
    assert forwards == backwards[::-1]
    assert len({str(numbers) for numbers in forwards}) == 3


def test_seeded_block_is_the_stream_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(0, "init"):
        assert torch.equal(torch.rand(3), torch.rand(3, generator=stream(0, "init")))
    assert torch.equal(torch.rand(2), expected)

"""Ways in which a file is damaged, by chance or on purpose."""

import random
from collections.abc import Callable

Mutation = Callable[[bytes, random.Random], bytes]

_HEADER = 4096
"""Sizes and counts of a container mostly lie in its first bytes, or in its last ones."""

_HUGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\x80")


def flip_bits(data: bytes, choice: random.Random) -> bytes:
    """A few bits flipped anywhere."""
    changed = bytearray(data)
    for _ in range(choice.choice((1, 3, 30))):
        changed[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
    return bytes(changed)


def flip_header_bits(data: bytes, choice: random.Random) -> bytes:
    """A few bits flipped where the header is."""
    return flip_bits(data[:_HEADER], choice) + data[_HEADER:]


def cut(data: bytes, choice: random.Random) -> bytes:
    """The end is missing."""
    return data[: choice.randrange(1, len(data))]


def drop_the_middle(data: bytes, choice: random.Random) -> bytes:
    """A block is missing."""
    first, last = sorted(choice.sample(range(len(data)), 2))
    return data[:first] + data[last:]


def repeat_a_block(data: bytes, choice: random.Random) -> bytes:
    """A block is there twice."""
    first, last = sorted(choice.sample(range(len(data)), 2))
    return data[:last] + data[first:]


def inflate(data: bytes, choice: random.Random) -> bytes:
    """Numbers at random places of the header or of the end claim to be huge."""
    changed = bytearray(data)
    for _ in range(choice.choice((1, 2, 4))):
        span = min(_HEADER, len(data) - 8)
        at = choice.randrange(span) if choice.random() < 0.7 else len(data) - 8 - choice.randrange(span)
        huge = choice.choice(
            (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\x80")
        )
        changed[at : at + len(huge)] = huge
    return bytes(changed)


def noise(data: bytes, choice: random.Random) -> bytes:
    """A block of noise in place of what was there."""
    length = min(len(data), choice.choice((16, 512, 8192)))
    at = choice.randrange(len(data) - length + 1)
    return data[:at] + choice.randbytes(length) + data[at + length :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_header_bits,
    cut,
    drop_the_middle,
    repeat_a_block,
    inflate,
    noise,
)


def mutated(data: bytes, choice: random.Random) -> bytes:
    """``data`` after one or two mutations, never empty."""
    for _ in range(choice.choice((1, 1, 2))):
        if len(data) > 16:
            data = choice.choice(MUTATIONS)(data, choice)
    return data


def with_header_of(data: bytes, other: bytes, choice: random.Random) -> bytes:
    """The header of another file before the content of this one."""
    length = choice.choice((12, 64, 512))
    return other[:length] + data[length:]

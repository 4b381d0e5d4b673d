"""LZW: the peers' bytes are read, ours are the newer peers' own, and bombs are refused before they are big."""

import random

import pytest
from gossip_vectors import load
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.wire.lzw import compress, decompress

LIMIT = 1 << 20
VECTORS = [pytest.param(bytes.fromhex(row["plain_hex"]), bytes.fromhex(row["lzw_hex"]), id=row["name"]) for row in load("lzw.json")]


def codes(*pairs: tuple[int, int]) -> bytes:
    """Codes with their widths, as bits from the least significant up."""
    bits = count = 0
    for code, width in pairs:
        bits |= code << count
        count += width
    return bits.to_bytes((count + 7) // 8, "little")


@pytest.mark.parametrize(("plain", "compressed"), VECTORS)
def test_the_recorded_bytes_are_written_and_read(plain, compressed):
    assert compress(plain) == compressed
    assert decompress(compressed, LIMIT) == plain


@given(st.one_of(st.binary(max_size=3000), st.text("ab", max_size=3000).map(str.encode)))
def test_what_is_compressed_is_read_again(plain):
    assert decompress(compress(plain), LIMIT) == plain


@pytest.mark.parametrize("symbols", [1, 2, 3, 16, 256])
@pytest.mark.parametrize("length", [0, 1, 2, 254, 255, 256, 3838, 3839, 3840, 20_000])
def test_every_width_of_code_and_every_clearing_of_the_table_is_read_again(symbols, length):
    chance = random.Random(symbols)
    plain = bytes(chance.randrange(symbols) for _ in range(length))
    assert decompress(compress(plain), LIMIT) == plain


@pytest.mark.parametrize("length", range(3830, 3850))
def test_an_end_beside_the_clearing_of_the_table_is_read_again(length):
    plain = random.Random(1).randbytes(length)
    assert decompress(compress(plain), LIMIT) == plain


def test_the_clear_code_at_the_start_may_be_missing():
    assert decompress(codes((97, 9), (258, 9), (257, 9)), LIMIT) == b"aaa"


def test_a_full_table_stays_as_it_is_until_it_is_cleared():
    pairs, width = [(256, 9)], 9
    for number in range(4200):
        pairs.append((number % 256, width))
        width = max(width, min(12, (258 + number).bit_length()))
    plain = bytes(number % 256 for number in range(4200))
    assert decompress(codes(*pairs, (4095, 12), (257, 12)), LIMIT) == plain + bytes(((4095 - 258) % 256, (4095 - 257) % 256))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_within_the_limit(data):
    try:
        assert len(decompress(data, 1000)) <= 1000
    except DecodeError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(codes((256, 9), (97, 9)), id="no end code"),
        pytest.param(codes((256, 9), (258, 9), (257, 9)), id="an entry before there is one"),
        pytest.param(codes((97, 9), (259, 9), (257, 9)), id="an entry that is not the next"),
        pytest.param(codes((97, 9), (256, 9), (258, 9), (257, 9)), id="an entry from before the clearing"),
    ],
)
def test_bad_codes_are_refused(data):
    with pytest.raises(DecodeError):
        decompress(data, LIMIT)


def test_a_bomb_is_refused_at_the_limit():
    bomb = compress(bytes(LIMIT))
    assert len(bomb) < 2000
    assert len(decompress(bomb, LIMIT)) == LIMIT
    with pytest.raises(DecodeError, match="more than"):
        decompress(bomb, LIMIT - 1)

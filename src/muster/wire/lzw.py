"""LZW as the gossip wire has it: least significant bit first, literals of 8 bits, codes of 9 to 12 bits.

The output of a compressor starts with the clear code, that of older peers does not. Each code makes an entry of the table, whose number is
the next one; codes grow by a bit when that number no longer fits. A compressor clears the table when it is full, a decompressor goes on
with a full one.

Source: Welch, "A Technique for High-Performance Data Compression" (IEEE Computer, 1984); reference of the gossip wire, section 1.
"""

from muster.model.errors import DecodeError

_CLEAR, _END = 256, 257
_NARROWEST, _WIDEST = 9, 12
_FULL = (1 << _WIDEST) - 1
_LITERALS = [bytes((byte,)) for byte in range(256)] + [b"", b""]


def compress(data: bytes) -> bytes:
    """The compressed bytes, in time linear in the length."""
    out = bytearray()
    table: dict[int, int] = {}
    find = table.get
    bits, count = _CLEAR, _NARROWEST
    width, highest = _NARROWEST, _END
    prefix = data[0] if data else _END
    for byte in memoryview(data)[1:]:
        pair = prefix << 8 | byte
        known = find(pair)
        if known is not None:
            prefix = known
            continue
        bits |= prefix << count
        count += width
        prefix = byte
        highest += 1
        if highest == _FULL:
            bits |= _CLEAR << count
            count += width
            width, highest = _NARROWEST, _END
            table.clear()
        else:
            table[pair] = highest
            if highest >> width:
                width += 1
        if count >= 64:
            out += (bits & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little")
            bits >>= 64
            count -= 64
    return bytes(out) + _ending(bits, count, width, highest, prefix)


def _ending(bits: int, count: int, width: int, highest: int, prefix: int) -> bytes:
    """The last code and the end code, at the width that a decompressor expects by then."""
    if prefix != _END:
        bits |= prefix << count
        count += width
        if highest + 1 == _FULL:
            bits |= _CLEAR << count
            count += width
            width = _NARROWEST
        elif (highest + 1) >> width:
            width += 1
    bits |= _END << count
    return bits.to_bytes((count + width + 7) // 8, "little")


def decompress(data: bytes | memoryview, limit: int) -> bytes:
    """What `compress` made `data` of; `DecodeError` if it would be more than `limit` bytes, at a wrong code, and without an end code."""
    out = bytearray()
    table = _LITERALS.copy()
    bits = count = position = 0
    width, previous = _NARROWEST, b""
    while True:
        if count < width:
            chunk = data[position : position + 8]
            position += 8
            bits |= int.from_bytes(chunk, "little") << count
            count += 8 * len(chunk)
            if count < width:
                raise DecodeError("compressed data without their end")
        code = bits & (1 << width) - 1
        bits >>= width
        count -= width
        if code == _CLEAR:
            table = _LITERALS.copy()
            width, previous = _NARROWEST, b""
            continue
        if code == _END:
            return bytes(out)
        if code < len(table):
            current = table[code]
        elif code == len(table) and previous:
            current = previous + previous[:1]
        else:
            raise DecodeError(f"compressed data with code {code}, which has no meaning yet")
        out += current
        if len(out) > limit:
            raise DecodeError(f"compressed data of more than {limit} bytes")
        if previous and len(table) <= _FULL:
            table.append(previous + current[:1])
        if len(table) >> width and width < _WIDEST:
            width += 1
        previous = current

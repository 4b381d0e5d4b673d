"""An ordered set of texts that stays quick at a million: blocks of sorted keys, found by bisection of their first keys.

The order is that of the keys' bytes, as the peers list them. Python orders texts by code point, which is the same for
valid UTF-8; keys with other bytes in them (lone surrogates here) are counted, and while there are any, what is listed is
sorted once more.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

BLOCK_SIZE = 512  # keys of a fresh block; one splits in two at twice that. A bigger block makes inserting slower.


class SortedKeys:
    """A set of distinct keys in order."""

    __slots__ = ("_blocks", "_firsts", "_odd", "_size")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        ordered = sorted(keys if isinstance(keys, dict) else set(keys))
        self._blocks = [ordered[start : start + BLOCK_SIZE] for start in range(0, len(ordered), BLOCK_SIZE)]
        self._firsts = [block[0] for block in self._blocks]
        self._size = len(ordered)
        self._odd = sum(map(_is_odd, ordered))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return iter(self.under(""))

    def add(self, key: str) -> None:
        """Adds a key that is not there yet."""
        blocks, firsts = self._blocks, self._firsts
        self._size += 1
        self._odd += _is_odd(key)
        if not blocks:
            blocks.append([key])
            firsts.append(key)
            return
        number = max(bisect_right(firsts, key) - 1, 0)
        block = blocks[number]
        insort(block, key)
        firsts[number] = block[0]
        if len(block) >= 2 * BLOCK_SIZE:
            blocks.insert(number + 1, block[BLOCK_SIZE:])
            firsts.insert(number + 1, block[BLOCK_SIZE])
            del block[BLOCK_SIZE:]

    def add_all(self, keys: Iterable[str]) -> None:
        """Adds keys that are not there yet."""
        for key in keys:
            self.add(key)

    def remove(self, key: str) -> None:
        """Removes a key that is there."""
        number = bisect_right(self._firsts, key) - 1
        block = self._blocks[number]
        del block[bisect_left(block, key)]
        self._size -= 1
        self._odd -= _is_odd(key)
        if block:
            self._firsts[number] = block[0]
        else:
            del self._blocks[number]
            del self._firsts[number]

    def under(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, in order."""
        first, start, last, end = self._range(prefix)
        if first == last:
            keys = self._blocks[first][start:end] if first < len(self._blocks) else []
        else:
            keys = self._blocks[first][start:]
            for number in range(first + 1, last):
                keys += self._blocks[number]
            if last < len(self._blocks):
                keys += self._blocks[last][:end]
        if self._odd:
            keys.sort(key=_bytes)
        return keys

    def block_from(self, key: str) -> list[str]:
        """Some hundred keys from `key` on, by code points; empty after the last one."""
        number, place = self._place(key)
        return self._blocks[number][place:] if number < len(self._blocks) else []

    def blocks_under(self, prefix: str) -> int:
        """How many blocks the keys under a prefix fill; 0 while there are keys whose order is not that of code points."""
        first, _, last, _ = self._range(prefix)
        return 0 if self._odd else last - first

    def remove_under(self, prefix: str) -> list[str]:
        """Removes the keys that begin with `prefix` and returns them, in order."""
        keys = self.under(prefix)
        if len(keys) < BLOCK_SIZE:
            for key in keys:
                self.remove(key)
            return keys
        gone = set(keys)
        first, _, last, _ = self._range(prefix)
        kept = [block for old in self._blocks[first : last + 1] if (block := [key for key in old if key not in gone])]
        self._blocks[first : last + 1] = kept
        self._firsts[first : last + 1] = [block[0] for block in kept]
        self._size -= len(keys)
        self._odd -= sum(map(_is_odd, keys))
        return keys

    def _range(self, prefix: str) -> tuple[int, int, int, int]:
        """Block and place of the first key under the prefix, block and place after the last one."""
        first, start = self._place(prefix)
        after = _successor(prefix)
        last, end = (len(self._blocks), 0) if after is None else self._place(after)
        return first, start, last, end

    def _place(self, key: str) -> tuple[int, int]:
        """Block and place where the first key not below `key` stands, or would stand."""
        number = max(bisect_right(self._firsts, key) - 1, 0)
        if number >= len(self._blocks):
            return number, 0
        place = bisect_left(self._blocks[number], key)
        return (number, place) if place < len(self._blocks[number]) else (number + 1, 0)


def _successor(prefix: str) -> str | None:
    """The smallest text above all that begin with `prefix`; None if there is none."""
    trimmed = prefix.rstrip("\U0010ffff")
    return trimmed[:-1] + chr(ord(trimmed[-1]) + 1) if trimmed else None


def _is_odd(key: str) -> bool:
    """The key holds bytes that are not UTF-8."""
    if key.isascii():
        return False
    try:
        key.encode()
    except UnicodeEncodeError:
        return True
    return False


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")

"""Writes BoltDB files for tests: the same trees as the real one, of any page size, with buckets inside their parents or on pages."""

import struct

from muster.storage.bolt import MAGIC, VERSION, fnv1a

HEAD, ELEMENT = 16, 16
BRANCH, LEAF, META = 1, 2, 4
Items = dict[bytes, bytes]


class BoltWriter:
    """Pages in memory; `file` gives the whole."""

    def __init__(self, page_size: int = 4096) -> None:
        self.page_size, self.pages = page_size, [b"", b""]

    def file(self, buckets: dict[bytes, Items], inline: bool = False, transaction: int = 7) -> bytes:
        """The bytes of a file with these top buckets, its newest meta page being that of `transaction`."""
        root = self._tree([(name, 1, self._bucket(items, inline)) for name, items in sorted(buckets.items())])
        metas = [self._meta(number, root, transaction - (number + transaction) % 2) for number in (0, 1)]
        return b"".join([*metas, *self.pages[2:]])

    def _bucket(self, items: Items, inline: bool) -> bytes:
        elements = [(key, 0, value) for key, value in sorted(items.items())]
        if inline:
            return struct.pack("<QQ", 0, 3) + struct.pack("<QHHI", 0, LEAF, len(elements), 0) + leaf_body(elements)
        return struct.pack("<QQ", self._tree(elements), 3)

    def _tree(self, elements: list[tuple[bytes, int, bytes]]) -> int:
        level = [(group[0][0] if group else b"", self._page(LEAF, len(group), leaf_body(group))) for group in self._groups(elements)]
        while len(level) > 1:
            level = [(group[0][0], self._page(BRANCH, len(group), branch_body(group))) for group in fours(level)]
        return level[0][1]

    def _groups(self, elements: list[tuple[bytes, int, bytes]]) -> list[list[tuple[bytes, int, bytes]]]:
        groups: list[list[tuple[bytes, int, bytes]]] = [[]]
        size = HEAD
        for element in elements:
            needed = ELEMENT + len(element[0]) + len(element[2])
            if groups[-1] and size + needed > self.page_size:
                groups.append([])
                size = HEAD
            groups[-1].append(element)
            size += needed
        return groups

    def _page(self, flags: int, count: int, body: bytes) -> int:
        number = len(self.pages)
        overflow = (HEAD + len(body) - 1) // self.page_size
        whole = (struct.pack("<QHHI", number, flags, count, overflow) + body).ljust((overflow + 1) * self.page_size, b"\0")
        self.pages += [whole[at : at + self.page_size] for at in range(0, len(whole), self.page_size)]
        return number

    def _meta(self, number: int, root: int, transaction: int) -> bytes:
        body = struct.pack("<IIIIQQQQQ", MAGIC, VERSION, self.page_size, 0, root, 0, 0, len(self.pages), transaction)
        content = struct.pack("<QHHI", number, META, 0, 0) + body + struct.pack("<Q", fnv1a(body))
        return content.ljust(self.page_size, b"\0")


def leaf_body(elements: list[tuple[bytes, int, bytes]]) -> bytes:
    """Elements and then their data, each pointed at from where its element stands."""
    heads, data = b"", b""
    for number, (key, flags, value) in enumerate(elements):
        position = (len(elements) - number) * ELEMENT + len(data)
        heads += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    return heads + data


def branch_body(children: list[tuple[bytes, int]]) -> bytes:
    """The same for pages below."""
    heads, data = b"", b""
    for number, (key, page) in enumerate(children):
        heads += struct.pack("<IIQ", (len(children) - number) * ELEMENT + len(data), len(key), page)
        data += key
    return heads + data


def fours(values: list[tuple[bytes, int]]) -> list[list[tuple[bytes, int]]]:
    """Groups of four, so that few keys make a deep tree."""
    return [values[at : at + 4] for at in range(0, len(values), 4)]

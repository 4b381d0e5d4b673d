"""Reads the files of BoltDB, in which Consul's servers keep their log and their vote. Nothing here writes.

All integers are little-endian (the machine's own, as BoltDB has it). A file is a row of pages of one size:

    page head, 16 bytes
        0   8   number of the page: its offset divided by the page size
        8   2   flags: 1 branch, 2 leaf, 4 meta, 16 list of free pages
       10   2   number of elements
       12   4   overflow: how many pages behind this one belong to it

    meta, behind the heads of pages 0 and 1; the valid one of the greater transaction counts
        0   4   magic 0xED0CDAED
        4   4   version 2
        8   4   page size
       12   4   flags
       16   8   root page of the bucket of all buckets, and 8 bytes of its sequence
       32   8   page of the list of free pages
       40   8   number of pages
       48   8   transaction
       56   8   FNV-1a (64 bits) of the 56 bytes before

    element of a branch, 16 bytes: 4 offset of the key from here, 4 its length, 8 page below
    element of a leaf, 16 bytes:   4 flags (1: the value is a bucket), 4 offset of the key from here, 4 its length,
                                   4 length of the value, which follows the key

The value of a bucket is its root page (8 bytes) and its sequence (8); for root 0 a whole small page follows, inside the value.
Keys stand in the order of their bytes.

Source: the file format of go.etcd.io/bbolt as its documentation tells it, and files that Consul 1.8.7 wrote.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from muster.model.errors import CorruptFile
from muster.storage.files import File

MAGIC: Final = 0xED0CDAED
VERSION: Final = 2
BRANCH: Final = 0x01
LEAF: Final = 0x02
META: Final = 0x04
BUCKET: Final = 0x01
HEAD_SIZE: Final = 16
ELEMENT_SIZE: Final = 16
META_SIZE: Final = 64
PAGE_SIZES: Final = tuple(512 << step for step in range(8))  # the system's page size, which is 4 KiB nearly everywhere
DEEPEST: Final = 64  # pages from root to leaf: a sound tree of this depth holds more than any disk

_HEAD = struct.Struct("<QHHI")
_META = struct.Struct("<IIIIQQQQQQ")
_BRANCH_ELEMENT = struct.Struct("<IIQ")
_LEAF_ELEMENT = struct.Struct("<IIII")
_BUCKET = struct.Struct("<QQ")


class Meta(NamedTuple):
    """What the newest valid meta page says."""

    page_size: int
    root: int
    pages: int
    transaction: int


class Page(NamedTuple):
    """One page with its overflow: kind, number of elements, and all its bytes from its head on. `offset` is for messages."""

    offset: int
    flags: int
    elements: int
    content: bytes


class BoltFile:
    """One file, open for reading; nobody may write to it meanwhile. Every method raises CorruptFile or OSError."""

    def __init__(self, file: File, path: str) -> None:
        """`path` is for messages only."""
        self._file, self._path = file, path
        self.meta = self._newest_meta()
        if file.size() < self.meta.pages * self.meta.page_size:
            raise self._damaged(file.size(), f"the file ends before its page {self.meta.pages - 1}")

    def buckets(self) -> list[bytes]:
        """The names of the top buckets."""
        return [key for key, flags, _ in self._elements(self.meta.root) if flags & BUCKET]

    def items(self, bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a top bucket in the order of the keys; buckets inside it are left out. One leaf is in memory at a time."""
        for name, flags, value in self._elements(self.meta.root):
            if name == bucket and flags & BUCKET:
                yield from self._items_of(value)
                return
        raise self._damaged(0, f"it has no bucket {bucket.decode('utf-8', 'backslashreplace')!r}")

    def _items_of(self, bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
        if len(bucket) < _BUCKET.size:
            raise self._damaged(0, "a bucket without a root")
        root, _sequence = _BUCKET.unpack_from(bucket)
        elements = self._elements(root) if root else self._leaf_elements(self._page_of(bucket[_BUCKET.size :], 0, 0))
        last: bytes | None = None
        for key, flags, value in elements:
            if last is not None and key <= last:
                raise self._damaged(0, f"key {key.hex()} stands behind {last.hex()}")
            last = key
            if not flags & BUCKET:
                yield key, value

    def _elements(self, number: int, depth: int = 0) -> Iterator[tuple[bytes, int, bytes]]:
        """Key, flags and value of all leaf elements below a page."""
        page = self._page(number)
        if page.flags & LEAF:
            yield from self._leaf_elements(page)
        elif page.flags & BRANCH and depth < DEEPEST:
            for at in range(page.elements):
                yield from self._elements(_BRANCH_ELEMENT.unpack_from(page.content, HEAD_SIZE + at * ELEMENT_SIZE)[2], depth + 1)
        else:
            raise self._damaged(page.offset, f"page {number} has flags {page.flags} at depth {depth}")

    def _leaf_elements(self, page: Page) -> Iterator[tuple[bytes, int, bytes]]:
        if not page.flags & LEAF:
            raise self._damaged(page.offset, f"flags {page.flags} where a leaf should be")
        content = page.content
        for at in range(HEAD_SIZE, HEAD_SIZE + page.elements * ELEMENT_SIZE, ELEMENT_SIZE):
            flags, position, key_size, value_size = _LEAF_ELEMENT.unpack_from(content, at)
            start, middle = at + position, at + position + key_size
            if middle + value_size > len(content):
                raise self._damaged(page.offset + at, "an element reaches beyond its page")
            yield content[start:middle], flags, content[middle : middle + value_size]

    def _page(self, number: int) -> Page:
        size = self.meta.page_size
        offset = number * size
        if not 2 <= number < self.meta.pages:
            raise self._damaged(offset, f"page {number} of {self.meta.pages}")
        content = self._file.read(size, offset)
        overflow = _HEAD.unpack_from(content)[3]
        if number + overflow >= self.meta.pages:
            raise self._damaged(offset, f"page {number} goes on for {overflow} more of {self.meta.pages}")
        if overflow:
            content += self._file.read(overflow * size, offset + size)
        return self._page_of(content, number, offset)

    def _page_of(self, content: bytes, number: int, offset: int) -> Page:
        if len(content) < HEAD_SIZE:
            raise self._damaged(offset, "a page without a head")
        found, flags, count, _overflow = _HEAD.unpack_from(content)
        if found != number or HEAD_SIZE + count * ELEMENT_SIZE > len(content):
            raise self._damaged(offset, f"not the head of page {number}")
        return Page(offset, flags, count, content)

    def _newest_meta(self) -> Meta:
        first = self._meta_at(0)
        offsets = [first.page_size] if first is not None else PAGE_SIZES
        found = [meta for offset in offsets if (meta := self._meta_at(offset)) is not None and meta.page_size == offset]
        if first is not None:
            found.append(first)
        if not found:
            raise self._damaged(0, "no valid meta page: it is no BoltDB file, or one of another kind of machine")
        return max(found, key=lambda meta: meta.transaction)

    def _meta_at(self, offset: int) -> Meta | None:
        content = self._file.read(HEAD_SIZE + META_SIZE, offset)[HEAD_SIZE:]
        if len(content) < META_SIZE:
            return None
        magic, version, page_size, _flags, root, _sequence, _free, pages, transaction, checksum = _META.unpack(content)
        if (magic, version) != (MAGIC, VERSION) or checksum != fnv1a(content[:-8]) or page_size not in PAGE_SIZES:
            return None
        return Meta(page_size, root, pages, transaction)

    def _damaged(self, offset: int, what: str) -> CorruptFile:
        return CorruptFile(f"{self._path}: offset {offset}: {what}")


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash. Source: draft-eastlake-fnv."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value

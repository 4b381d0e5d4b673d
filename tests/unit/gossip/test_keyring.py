import base64

import pytest

from muster.gossip.keyring import Keyring, decode_key
from muster.model.errors import Rejected

A, B, C = b"a" * 16, b"b" * 24, b"c" * 32


def test_the_first_key_is_the_primary_one():
    assert Keyring([A, B]).primary == A


def test_a_keyring_needs_a_key():
    with pytest.raises(Rejected, match="at least one key"):
        Keyring([])


def test_a_key_given_twice_is_kept_once():
    assert Keyring([A, B, A]).keys == (A, B)


def test_installing_adds_a_key_behind_the_others_once():
    ring = Keyring([A])
    assert ring.install(B)
    assert not ring.install(B)
    assert ring.keys == (A, B)


@pytest.mark.parametrize("size", [0, 15, 17, 31, 33])
def test_a_key_of_another_size_is_refused(size):
    with pytest.raises(Rejected, match=r"^key size must be 16, 24 or 32 bytes$"):
        Keyring([A]).install(b"x" * size)


def test_using_a_key_makes_it_the_primary_one_and_keeps_the_rest():
    ring = Keyring([A, B, C])
    assert ring.use(C)
    assert ring.keys == (C, A, B)
    assert not ring.use(C)


def test_a_key_that_is_not_installed_cannot_be_used():
    with pytest.raises(Rejected, match=r"^Requested key is not in the keyring$"):
        Keyring([A]).use(B)


def test_the_primary_key_cannot_be_removed():
    ring = Keyring([A, B])
    with pytest.raises(Rejected, match=r"^Removing the primary key is not allowed$"):
        ring.remove(A)
    assert ring.keys == (A, B)


def test_removing_forgets_a_key_and_does_not_mind_one_that_is_not_there():
    ring = Keyring([A, B])
    assert ring.remove(B)
    assert not ring.remove(B)
    assert ring.keys == (A,)


def test_a_key_file_keeps_the_order():
    texts = [base64.b64encode(key).decode() for key in (B, A, C)]
    assert Keyring.from_base64(texts).to_base64() == texts


@pytest.mark.parametrize("text", ["***", "YQ", "schlüssel"])
def test_a_text_that_is_not_base64_is_refused(text):
    with pytest.raises(Rejected, match="base64"):
        decode_key(text)

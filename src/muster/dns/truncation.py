"""How many answers fit.

An asker without EDNS takes 512 bytes and gets at most `udp_answer_limit` answers; their size is then counted without
compression. Otherwise as many answers as the size allows, and one in any case: an answer is never empty that could hold one.
What stands in the additional section for answers that were cut goes with them.

Source: answers of Consul 1.8.7 over sizes; operating page, section 6 no. 21.
"""

from muster.wire.dns import FLAG_TRUNCATED, PLAIN_UDP_SIZE, TYPE_CNAME, TYPE_SRV, Message, Record, ServiceData, encode

MOST_PLAIN_ANSWERS = 8
SAFETY_MARGIN = 7  # bytes that the peer leaves free
OPTIONS_SIZE = 11  # bytes of an OPT record without options in it, which comes last
SUBNET_SIZE = 24  # bytes more, at most, for a client subnet
LARGEST_MESSAGE = 65535


def trim(message: Message, udp_size: int, udp_answer_limit: int, mark: bool, compress: bool) -> None:
    """Cuts answers until the message fits `udp_size` (0: TCP). With `mark` a cut message carries the truncation flag."""
    answers, size = message.answers, udp_size or LARGEST_MESSAGE
    before = len(answers)
    index = _by_name(message.additional)
    kept = before
    if udp_size == PLAIN_UDP_SIZE and before > min(MOST_PLAIN_ANSWERS, udp_answer_limit):
        kept = min(MOST_PLAIN_ANSWERS, udp_answer_limit)
        compress = False
        _keep(message, answers, kept, index)
    reserved = 0 if message.options is None else OPTIONS_SIZE + (SUBNET_SIZE if message.options.subnet else 0)
    limit = size - (max(SAFETY_MARGIN, reserved) if udp_size else reserved)
    if kept > 1 and _size(message, compress) > limit:
        kept = _most_that_fit(message, answers, kept, index, limit, compress)
    if kept < before and mark:
        message.flags |= FLAG_TRUNCATED


def _most_that_fit(message: Message, answers: list[Record], most: int, index: dict[str, Record], limit: int, compress: bool) -> int:
    fits, too_many = 1, most
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        _keep(message, answers, middle, index)
        if _size(message, compress) <= limit:
            fits = middle
        else:
            too_many = middle
    _keep(message, answers, fits, index)
    return fits


def _size(message: Message, compress: bool) -> int:
    """The size without the OPT record, for which room is reserved."""
    options, message.options = message.options, None
    size = len(encode(message, compress))
    message.options = options
    return size


def _keep(message: Message, answers: list[Record], count: int, index: dict[str, Record]) -> None:
    message.answers = answers[:count]
    if index:
        message.additional = _beside(message.answers, index)


def _by_name(records: list[Record]) -> dict[str, Record]:
    index: dict[str, Record] = {}
    for record in records:
        index.setdefault(record.name.lower(), record)
    return index


def _beside(answers: list[Record], index: dict[str, Record]) -> list[Record]:
    """The additional records that the SRV answers name, and what aliases among those lead to."""
    found: list[Record] = []
    named: set[str] = set()
    for answer in answers:
        if answer.type != TYPE_SRV or not isinstance(answer.data, ServiceData):
            continue
        target = answer.data.target.lower()
        while target in index and target not in named:
            named.add(target)
            record = index[target]
            found.append(record)
            target = record.data.lower() if record.type == TYPE_CNAME and isinstance(record.data, str) else ""
    return found

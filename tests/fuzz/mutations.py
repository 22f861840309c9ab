"""Ways to damage a file: bits, lengths, cuts, and attacks on XML and ZIP containers."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

__all__ = ["damaged", "kinds_for"]

Generator = np.random.Generator
Mutation = Callable[[bytes, Generator], bytes]
_NUMBERS = (b"-1", b"0", b"999999999999", b"1e308", b"-1e308", b"nan", b"inf", b"\xff" * 4, b"")
_HEADER_BYTES = 1200


def _place(size: int, generator: Generator) -> int:
    """Return a position, mostly in the header, where structure is."""
    reach = size if generator.random() < 0.35 else min(size, _HEADER_BYTES)
    return int(generator.integers(max(reach, 1)))


def bit_flips(content: bytes, generator: Generator) -> bytes:
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 12))):
        if data:
            data[_place(len(data), generator)] ^= 1 << int(generator.integers(8))
    return bytes(data)


def bytes_replaced(content: bytes, generator: Generator) -> bytes:
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 6))):
        place, count = _place(len(data), generator), int(generator.integers(1, 9))
        data[place : place + count] = generator.bytes(count)
    return bytes(data)


def cut(content: bytes, generator: Generator) -> bytes:
    reach = len(content) if generator.random() < 0.6 else min(len(content), _HEADER_BYTES)
    return content[: int(generator.integers(reach + 1))]


def repeated_or_removed(content: bytes, generator: Generator) -> bytes:
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 4))):
        place, count = _place(len(data), generator), int(generator.integers(1, 200))
        if generator.random() < 0.5:
            del data[place : place + count]
        else:
            data[place:place] = data[place : place + count] * int(generator.integers(1, 20))
    return bytes(data)


def length_fields(content: bytes, generator: Generator) -> bytes:
    """Write extreme integers of 1, 2, 4 or 8 bytes of either byte order over the header."""
    data = bytearray(content)
    extremes = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62)
    for _ in range(int(generator.integers(1, 5))):
        width = int(generator.choice([1, 2, 4, 8]))
        value = int(generator.choice(extremes)) % (1 << 8 * width)
        place = _place(len(data), generator)
        order = "little" if generator.random() < 0.7 else "big"
        data[place : place + width] = value.to_bytes(width, order)  # type: ignore[arg-type]
    return bytes(data)


def text_numbers(content: bytes, generator: Generator) -> bytes:
    """Put impossible numbers in the place of numbers that are written as text."""
    data = bytearray(content)
    digits = [n for n in range(min(len(data), 20_000)) if 48 <= data[n] <= 57]
    for _ in range(int(generator.integers(1, 4))):
        if not digits:
            break
        place = int(generator.choice(digits))
        end = place
        while end < len(data) and 48 <= data[end] <= 57:
            end += 1
        number = bytes(_NUMBERS[int(generator.integers(len(_NUMBERS)))])
        keep_width = generator.random() < 0.5
        data[place:end] = number.ljust(end - place)[: end - place] if keep_width else number
    return bytes(data)


def xml_attack(content: bytes, generator: Generator) -> bytes:
    """Entities that explode or read files, deep nesting, very long attributes and texts."""
    choice = int(generator.integers(7))
    start = content.find(b"<", content.find(b"?>") + 1 if b"?>" in content[:200] else 0)
    start = max(start, 0)
    prolog, body = content[:start], content[start:]
    if choice == 0:
        levels = b"".join(
            b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)
        )
        bomb = b'<!DOCTYPE r [<!ENTITY a0 "lol">' + levels + b"]>"
        return prolog + bomb + body.replace(b">", b">&a11;", 3)
    if choice == 1:
        entity = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        return prolog + entity + body.replace(b">", b">&x;", int(generator.integers(2, 30)))
    if choice == 2:
        external = b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">'
        return prolog + external + body
    if choice == 3:
        blow = b'<!DOCTYPE r [<!ENTITY a "' + b"A" * 50_000 + b'">]>'
        return prolog + blow + body.replace(b">", b">" + b"&a;" * 2000, 2)
    if choice == 4:
        depth = int(generator.choice([500, 5000, 200_000]))
        place = body.find(b">") + 1
        return prolog + body[:place] + b"<a>" * depth + body[place:]
    if choice == 5:
        place = body.find(b">")
        return prolog + body[:place] + b' z="' + b"x" * 2_000_000 + b'"' + body[place:]
    opened = body.find(b"<", 1)
    count = int(generator.integers(1000, 60_000))
    return prolog + body[: max(opened, 1)] + b"<b/>" * count + body[max(opened, 1) :]


def json_attack(content: bytes, generator: Generator) -> bytes:
    depth = int(generator.choice([1000, 100_000]))
    place = int(generator.integers(len(content) + 1))
    return content[:place] + b"[" * depth + content[place:]


def zip_attack(content: bytes, generator: Generator) -> bytes:
    """Paths that climb out, bombs, archives in archives, many members, wrong sizes."""
    choice = int(generator.integers(8))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if choice == 0:
            for name in ("../../x.hea", "/etc/x.csv", "a/../../b.xml", "C:\\x.edf", "..\\x.csv"):
                archive.writestr(name, content[:5000])
        elif choice == 1:
            archive.writestr("x.csv", bytes(60_000_000))
        elif choice == 2:
            inner = content
            for level in range(int(generator.integers(2, 8))):
                packed = io.BytesIO()
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as one:
                    one.writestr(f"l{level}.zip", inner)
                inner = packed.getvalue()
            archive.writestr("nested.zip", inner)
        elif choice == 3:
            for number in range(int(generator.integers(100, 3000))):
                archive.writestr(f"{number}.txt", b"")
        elif choice == 4:
            link = zipfile.ZipInfo("x.hea")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
        elif choice == 5:
            archive.writestr("x.csv", b"I,II\n" + b"0,1\n" * 3_000_000)
        elif choice == 6:
            archive.writestr("\x07name" + "x" * 5000 + ".xml", content[:5000])
        else:
            archive.writestr("a.bin", content)
    data = bytearray(buffer.getvalue())
    if choice == 7:
        directory = data.rfind(b"PK\x01\x02")
        if directory > 0:
            data[directory + 24 : directory + 28] = struct.pack("<L", 0xFFFFFFF0)
    return bytes(data)


def deflate_bomb(content: bytes, generator: Generator) -> bytes:
    """Put a stream that inflates to 300 MB where a compressed one may stand."""
    engine = zlib.compressobj(9)
    bomb = engine.compress(bytes(300_000_000)) + engine.flush()
    place = _place(len(content), generator)
    return content[:place] + bomb[: int(generator.integers(1000, len(bomb) + 1))] + content[place:]


_ANY: dict[str, Mutation] = {
    "bit flips": bit_flips,
    "bytes replaced": bytes_replaced,
    "cut": cut,
    "repeated or removed": repeated_or_removed,
    "length fields": length_fields,
    "numbers in text": text_numbers,
}


def kinds_for(content: bytes) -> dict[str, Mutation]:
    """Return the mutations that make sense for a content."""
    kinds = dict(_ANY)
    start = content[:200].lstrip(b"\xef\xbb\xbf \r\n")
    if start.startswith(b"<"):
        kinds["XML attack"] = xml_attack
    if start.startswith((b"{", b"[")):
        kinds["JSON attack"] = json_attack
    if content.startswith(b"PK\x03\x04"):
        kinds["ZIP attack"] = zip_attack
    return kinds


def damaged(content: bytes, generator: Generator) -> tuple[str, bytes]:
    """Return the name of a mutation and the damaged content; sometimes two at once."""
    kinds = kinds_for(content)
    names = list(kinds)
    name = names[int(generator.integers(len(names)))]
    result = kinds[name](content, generator)
    if generator.random() < 0.2:
        result = bit_flips(result, generator)
    return name, result

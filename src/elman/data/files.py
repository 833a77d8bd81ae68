"""Files as text: found, decoded, and every fault named by line and byte."""

from __future__ import annotations

import codecs
import difflib
import os
import re
from pathlib import Path

from elman.data.records import counted, shorten
from elman.errors import DataError, SettingsError

# The marks of UTF-32 come first, for one of them begins with a mark of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)

# An encoding that happens to decode is no evidence: the bytes of one script read as another give rare
# characters. So each is scored by how many of its characters are everyday ones, told by their bytes.
_EVERYDAY = {
    "utf-8": rb"[\xc2-\xf4]..?.?",
    "gb18030": rb"[\xa1\xa3\xb0-\xd7][\xa1-\xfe]",
    "big5": rb"[\xa1\xa4-\xc6].",
    "shift_jis": rb"[\x81-\x83\x88-\x97].",
    "cp1252": rb"[\xc0-\xff\x80\x85\x91-\x97\xa1\xa3\xa7\xa9\xab\xae\xb0\xb4\xb7\xba\xbb\xbf]",
}


def existing_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there.

    Raises:
        DataError: nothing is there (names alike in that folder are offered), or it is a folder.
    """
    file = Path(os.path.expanduser(path))
    if os.path.isdir(file):
        inside = sorted(one.name for one in file.iterdir() if one.is_file())
        named = ", ".join(inside[:5]) + (", …" if len(inside) > 5 else "")
        raise DataError.at(
            file,
            "this is a folder.",
            expected="a file",
            received=f"a folder with {named or 'no files'}",
            fix="name a file in it",
        )
    if os.path.exists(file):
        return file
    folder = file.parent
    if not os.path.isdir(folder):
        fix = f"check the folder: {shorten(str(folder), 200)} does not exist"
    else:
        near = difflib.get_close_matches(file.name, (one.name for one in folder.iterdir()))
        fix = f"did you mean {' or '.join(map(repr, near))}?" if near else "check its name and folder"
    raise DataError(f"There is no file {shorten(str(file), 200)}.", expected="an existing file", fix=fix)


def read_text(path: Path, encoding: str | None = None) -> str:
    """The text of a file: in `encoding`, else by its byte order mark, else in UTF-8; it loses the mark.

    Raises:
        DataError: the file is empty, cannot be opened, is in another encoding, or holds NUL characters.
        SettingsError: there is no such encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise DataError.at(path, f"the file cannot be opened: {fault.strerror}.") from fault
    used = encoding or next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(used).removeprefix("\ufeff")
    except LookupError:
        raise SettingsError(
            "There is no such text encoding.",
            expected="a name such as utf-8, gb18030, big5, cp1252",
            received=repr(encoding),
        ) from None
    except UnicodeError as fault:
        raise _undecodable(path, data, used, getattr(fault, "start", 0)) from None
    if not text or text.isspace():
        received = counted(len(data), "byte")
        raise DataError.at(path, "the file is empty.", expected="rows of data", received=received)
    if (offset := text.find("\0")) >= 0:
        raise DataError.at(
            path,
            "the text holds a NUL character.",
            line=line_at(text, offset),
            expected="text",
            received=f"{counted(text.count(chr(0)), 'NUL character')} among {len(text)}",
            fix=_try_encoding(data, used) or "repair the file: it is damaged, or it is not text",
        )
    return text


def line_at(text: str, offset: int) -> int:
    """The 1-based line on which a character stands; LF, CRLF and CR all end a line."""
    breaks = text.count("\n", 0, offset) + text.count("\r", 0, offset) - text.count("\r\n", 0, offset)
    return breaks + 1


def _undecodable(path: Path, data: bytes, used: str, start: int) -> DataError:
    before = data[:start].decode(used, "replace")
    fix = _try_encoding(data, used) or "find out its encoding, and pass it as encoding= (--encoding)"
    if used.startswith("utf") and _is_damaged(data, used):
        fix = "repair that byte: the rest of the file is as it should be"
    return DataError.at(
        path,
        f"the file is not in the encoding {used}.",
        line=line_at(before, len(before)),
        expected=f"text in {used}",
        received=f"byte 0x{data[start]:02X} at offset {start}, of {len(data)} bytes",
        fix=fix,
    )


def _is_damaged(data: bytes, used: str) -> bool:
    """Whether all but a few characters beyond ASCII are sound, so that the encoding is the right one."""
    text = data.decode(used, "replace")
    bad = text.count("\ufffd")
    return sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - bad > 10 * bad


def _try_encoding(data: bytes, used: str) -> str | None:
    """The fix that names a likely encoding and shows how the first words beyond ASCII read in it."""
    name = _likely_encoding(data, used)
    if name is None:
        return None
    sample = re.search(r"[^\r\n\x00-\x7f][^\r\n]*", data.decode(name))
    shown = f"; it reads {shorten(sample[0], 20)}" if sample else ""
    return f'pass encoding="{name}" (--encoding {name}){shown}'


def _likely_encoding(data: bytes, used: str) -> str | None:
    if b"\0" in data:
        # Text in UTF-16 without a mark: the high byte of every ASCII character is zero.
        name = "utf-16-le" if data[1::2].count(0) > data[0::2].count(0) else "utf-16-be"
        return name if used != name and _decodes(data, name) and "\0" not in data.decode(name) else None
    scores = {name: _score(data, name) for name in _EVERYDAY if name != used and _decodes(data, name)}
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] >= 0.5 else None


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except UnicodeError:
        return False
    return True


def _score(data: bytes, name: str) -> float:
    """The share of everyday characters among the first ones beyond ASCII."""
    beyond = re.findall(r"[^\x00-\x7f]", data.decode(name))[:2000]
    everyday = re.compile(_EVERYDAY[name], re.DOTALL)
    return sum(everyday.fullmatch(one.encode(name)) is not None for one in beyond) / max(len(beyond), 1)

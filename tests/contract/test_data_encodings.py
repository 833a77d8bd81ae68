"""Byte order marks, encodings, and what is offered when the bytes do not fit."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from elman.data import read
from elman.errors import DataError, SettingsError

TEXT = {
    "gb18030": "句子,意图\r\n今天天气怎么样,查天气\r\n朱镕基说过这句话,人名\r\n",
    "big5": "句子,意圖\n今天天氣怎麼樣,查天氣\n請打開客廳的燈,開燈\n",
    "shift_jis": "text,label\nこんにちは,挨拶\n今日の天気はどうですか,天気\n",
    "cp1252": "text,label\ncafé crème,boisson\n“naïve” Größe – ça va,x\n",
}


def table(text: str) -> dict[str, list[str]]:
    names, *body = [line.split(",") for line in text.splitlines()]
    return {name: [row[i] for row in body] for i, name in enumerate(names)}


def write(folder: Path, data: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-8"),
    ],
)
@pytest.mark.parametrize("explicit", [True, False])
def test_byte_order_marks_are_handled_silently(
    tmp_path: Path, mark: bytes, encoding: str, explicit: bool
):
    path = write(tmp_path, mark + TEXT["gb18030"].encode(encoding))
    records = read(path, encoding=encoding if explicit else None)
    assert records.columns == table(TEXT["gb18030"])


@pytest.mark.parametrize("encoding", TEXT)
def test_an_encoding_that_is_named_is_used(tmp_path: Path, encoding: str):
    path = write(tmp_path, TEXT[encoding].encode(encoding))
    assert read(path, encoding=encoding).columns == table(TEXT[encoding])


@pytest.mark.parametrize("encoding", TEXT)
def test_another_encoding_is_refused_and_the_likely_one_offered(tmp_path: Path, encoding: str):
    data = TEXT[encoding].encode(encoding)
    path = write(tmp_path, data)
    with pytest.raises(UnicodeDecodeError) as wrong:
        data.decode()
    offset = wrong.value.start
    with pytest.raises(DataError) as caught:
        read(path)
    text = str(caught.value)
    assert f"rows.csv:{data[:offset].count(10) + 1}: " in text
    assert f"byte 0x{data[offset]:02X} at offset {offset}," in text
    assert f'encoding="{encoding}"' in text
    assert f"--encoding {encoding}" in text


def test_utf8_is_offered_where_another_encoding_was_named(tmp_path: Path):
    path = write(tmp_path, TEXT["gb18030"].encode())
    with pytest.raises(DataError, match='encoding="utf-8"'):
        read(path, encoding="ascii")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognised(tmp_path: Path, encoding: str):
    for text in ("text,label\nhello,greet\n", TEXT["gb18030"]):
        path = write(tmp_path, text.encode(encoding))
        with pytest.raises(DataError, match=f'encoding="{encoding}"'):
            read(path)


def test_one_damaged_byte_is_not_taken_for_another_encoding(tmp_path: Path):
    data = TEXT["gb18030"].encode() + "再见".encode()[:-1] + b",x\n"
    with pytest.raises(DataError) as caught:
        read(write(tmp_path, data))
    assert "rows.csv:4: " in str(caught.value)
    assert "repair that byte" in str(caught.value)


def test_one_symbol_is_enough_for_a_western_encoding(tmp_path: Path):
    with pytest.raises(DataError, match='encoding="cp1252"'):
        read(write(tmp_path, b"a,b\n\xa9 2024,x\n"))


@pytest.mark.parametrize("noise", [bytes(range(0x80, 0x100)), b"\xac \xac "], ids=["undefined", "rare"])
def test_noise_is_offered_no_encoding(tmp_path: Path, noise: bytes):
    with pytest.raises(DataError, match="find out its encoding"):
        read(write(tmp_path, b"a,b\n" + noise + b",x\n"))


@pytest.mark.parametrize("name", ["gb1803", "base64", "rot13"])
def test_an_unknown_encoding_is_a_setting_out_of_range(tmp_path: Path, name: str):
    with pytest.raises(SettingsError, match=name):
        read(write(tmp_path, b"a,b\n1,2\n"), encoding=name)


def test_json_lines_are_decoded_by_the_same_rules(tmp_path: Path):
    line = '{"text": "你好"}\n'
    assert read(write(tmp_path, codecs.BOM_UTF8 + line.encode(), "a.jsonl")).column("text") == ["你好"]
    path = write(tmp_path, line.encode("gb18030"), "b.jsonl")
    assert read(path, encoding="gb18030").column("text") == ["你好"]
    with pytest.raises(DataError, match='encoding="gb18030"'):
        read(path)

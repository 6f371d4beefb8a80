"""The pinned table of character classes."""

import unicodedata

from massivetext.text.unicode_table import DIGIT, HAN, LETTER, MARK, NUMBER, SPACE, UNSETTLED, class_table

OLDER = [code for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]


def test_the_table_covers_every_code_point() -> None:
    assert class_table().shape == (0x110000,)


def test_letters_marks_and_numbers_are_unicodes_categories() -> None:
    # A few characters change category between Unicode versions; this Python's may be older than the table's.
    table = class_table()
    for bit, first in ((LETTER, "L"), (MARK, "M"), (NUMBER, "N")):
        differ = [code for code in OLDER if bool(table[code] & bit) != (unicodedata.category(chr(code))[0] == first)]
        assert len(differ) < 20, [hex(code) for code in differ]


def test_decimal_digits_have_a_decimal_value() -> None:
    table = class_table()
    assert all(unicodedata.decimal(chr(code), None) is not None for code in OLDER if table[code] & DIGIT)


def test_white_space_is_pythons_but_for_the_four_separators() -> None:
    table = class_table()
    differ = [code for code in OLDER if bool(table[code] & SPACE) != chr(code).isspace()]
    assert differ == [0x1C, 0x1D, 0x1E, 0x1F]


def test_han_holds_ideographs_of_every_plane_and_no_kana_or_punctuation() -> None:
    table = class_table()
    assert all(table[ord(character)] & HAN for character in "一龥々〇㐀𠀀豈⼀")
    assert not any(table[ord(character)] & HAN for character in "あアー。，「한a1")


def test_text_of_settled_characters_is_nfc() -> None:
    table = class_table()
    for code in OLDER:
        if not table[code] & UNSETTLED:
            assert unicodedata.normalize("NFC", chr(code)) == chr(code)
            assert unicodedata.combining(chr(code)) == 0

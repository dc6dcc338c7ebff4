"""Tells what a scanner writes by itself (a depth scale, calipers, settings) from names, dates and ids.

The rule, on one line of text. It names nobody if it has fewer than three letters and digits, or if it
consists of nothing but

- signs, and single letters, which calipers have (``D1``, ``A``): one at most without a number behind it;
- units (``cm``, ``MHz``) and names of settings (``MI``, ``PRF``), each from a list;
- numbers with up to three digits before the point; four before a unit;

and has at most four digits in numbers that neither a unit follows nor a setting precedes, and no two numbers
joined as in a date or a time (``11/02``, ``9:21``). Anything else may name somebody: a word that is on no
list, a year, a record number. A strict reader lets two letters or digits suffice, whatever they are.

What reads the text, and what follows from it, belongs to ``steps``.
"""

import re

_UNIT_NAMES = """
    cm mm ms sec hz khz mhz db cm/s m/s mm/s kpa mmhg % fps bpm ml cc kg mw deg dpt cm2 cm3 \u00b0
    \u00b0c \u00b5s
"""
_SETTING_NAMES = """
    ac ag angle ap area avg bpm bw cdi cf cfm circ cn cw dep depth dia dist dr dyn edv focus fov fps
    fr frame freq frq gain gn hd hr lr lt map mi pd pdi persist pi pow prf psv pw pwr res ri rt sd
    snr sv tgc thi ti tib tic tis vol wf zoom
"""
_UNITS, _SETTINGS = frozenset(_UNIT_NAMES.split()), frozenset(_SETTING_NAMES.split())
_LETTERS = "A-Za-z\u00b5\u00b0%"
_TOKEN = re.compile(rf"[{_LETTERS}]+(?:/s)?|[0-9]+(?:[.,][0-9]+)?|\S")
_SIGNS = frozenset("+-x\u00d7*=.,:;()[]<>|~#_'\"/\\\u00b2\u00b3\u2014\u2013")
_JOINED = re.compile(r"[0-9][/:][0-9]|[0-9]-[0-9]{2}|[0-9]{2}-[0-9]|[0-9][.,][0-9]+[.,][0-9]")
_ONE_OF_FEW = re.compile(r"(?<![0-9/])[0-9]/[0-9](?![0-9/])")
_MIXED = re.compile(r"(?<![0-9A-Za-z])[0-9OolISB.,]*[0-9][0-9OolISB.,]*(?![0-9A-Za-z])")
_MISREAD = str.maketrans("OolISB", "001158")

_LEAST, _LEAST_STRICT = 3, 2
_DIGITS, _DIGITS_BEFORE_UNIT, _BARE_DIGITS = 3, 4, 4


def may_name_someone(text: str, *, strict: bool = False) -> bool:
    """Whether a line of text that was read on a screen may name a person, a day or a record.

    Args:
        text: the line as it was read: a zero may be an ``O``.
        strict: whether every line of two or more letters or digits counts, a scale's as well.
    """
    if strict:
        return sum(map(str.isalnum, text)) >= _LEAST_STRICT
    return sum(map(str.isalnum, text)) >= _LEAST and not _is_scanners(_MIXED.sub(_as_digits, text))


def _as_digits(number: re.Match[str]) -> str:
    """A number in which letters were read for digits; more than half must be digits as they stand."""
    found = number[0]
    known = [sign for sign in found if sign.isalnum()]
    return found.translate(_MISREAD) if 2 * sum(map(str.isdigit, known)) >= len(known) else found


def _is_scanners(text: str) -> bool:
    if _JOINED.search(_ONE_OF_FEW.sub("", text)):
        return False
    tokens = _TOKEN.findall(text)
    kinds = [_kind(token) for token in tokens]
    bare = letters = 0
    for at, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        if kind == "other":
            return False
        letters += kind == "letter" and kinds[at + 1 : at + 2] != ["number"]
        if kind == "number":
            whole = re.split("[.,]", token)[0]
            measured = kinds[at + 1 : at + 2] == ["unit"]
            if len(whole) > (_DIGITS_BEFORE_UNIT if measured else _DIGITS):
                return False
            if not measured and kinds[max(0, at - 1) : at] != ["setting"]:
                bare += sum(map(str.isdigit, token))
    return bare <= _BARE_DIGITS and letters <= 1


def _kind(token: str) -> str:
    if token[0].isascii() and token[0].isdigit():
        return "number"
    folded = token.casefold()
    if folded in _UNITS:
        return "unit"
    if folded in _SETTINGS:
        return "setting"
    if len(token) == 1 and token.isascii() and token.isalpha():
        return "letter"
    return "sign" if token in _SIGNS else "other"

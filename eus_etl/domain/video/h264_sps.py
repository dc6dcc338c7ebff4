"""H.264's sequence parameter set, as far as needed: whether pictures may be coded as two fields."""

_WITH_CHROMA_FORMAT = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
_EMULATION, _EMULATED = b"\x00\x00\x03", b"\x00\x00"


def may_code_fields(unit: bytes) -> bool:
    """Whether a sequence may hold fields: frame_mbs_only_flag is 0 (ITU-T H.264, 7.3.2.1.1).

    Args:
        unit: the parameter set with its header byte. If it cannot be read, it may hold fields.
    """
    try:
        return not _frame_mbs_only(_Bits(unit[1:].replace(_EMULATION, _EMULATED)))
    except ValueError:
        return True


class _Bits:
    """Reads bits from the front; raises ValueError at the end."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._place = 0

    def number(self, count: int) -> int:
        """An unsigned number of ``count`` bits."""
        self._place += count
        return int(self._bits[self._place - count : self._place], 2)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code (9.1)."""
        zeros = self._bits.index("1", self._place) - self._place
        self._place += zeros
        return self.number(zeros + 1) - 1

    def pass_golombs(self, count: int) -> None:
        """Skip this many."""
        for _ in range(count):
            self.golomb()

    def signed_golomb(self) -> int:
        """A signed Exp-Golomb code (9.1.1)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _frame_mbs_only(bits: _Bits) -> bool:
    profile = bits.number(8)
    bits.number(16)  # constraints, level
    bits.golomb()  # id
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.golomb()
        if chroma == 3:
            bits.number(1)
        bits.pass_golombs(2)  # bit depths
        bits.number(1)  # transform bypass
        if bits.number(1):
            for place in range(12 if chroma == 3 else 8):
                if bits.number(1):
                    _pass_scaling_list(bits, 16 if place < 6 else 64)
    bits.golomb()  # log2_max_frame_num
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.number(1)
        bits.pass_golombs(2)  # offsets; signed codes are as long as unsigned ones
        bits.pass_golombs(bits.golomb())
    bits.golomb()  # reference frames
    bits.number(1)  # gaps
    bits.pass_golombs(2)  # width, height
    return bool(bits.number(1))


def _pass_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last

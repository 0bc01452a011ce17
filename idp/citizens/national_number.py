"""The national number (burgerservicenummer) and its eleven-proof check."""

TEST_RANGE = "9999"
"""Numbers that begin so are for testing and belong to nobody; everything fictional in this project uses them."""


def is_valid(number: str) -> bool:
    """Nine digits whose sum, weighted 9 to 2 and -1, is a multiple of eleven, and not all zero."""
    if len(number) != 9 or not number.isascii() or not number.isdigit() or number == "000000000":
        return False
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return sum(weight * int(digit) for weight, digit in zip(weights, number, strict=True)) % 11 == 0


class NumberSet:
    """Valid numbers that were met, in 12.5 MB however many: the ninth digit follows from the other eight."""

    def __init__(self) -> None:
        self._bits = bytearray(12_500_000)

    def add(self, number: str) -> bool:
        """Whether it is new."""
        place, bit = divmod(int(number[:8]), 8)
        mask = 1 << bit
        known = self._bits[place] & mask
        self._bits[place] |= mask
        return not known

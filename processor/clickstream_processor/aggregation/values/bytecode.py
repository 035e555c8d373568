"""Numbers as bytes, and a reader of bytes that may hold anything."""

from clickstream_processor.errors import MalformedPartial

MAX_VARINT_BYTES = 10  # 70 bits: more than any count


def varint(number: int) -> bytes:
    """Return a whole number that is not negative, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def signed(number: int) -> bytes:
    """Return a whole number in two's complement, big-endian, in as few bytes as hold it."""
    return number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)


class Reader:
    """Reads a record from its beginning; what is not there raises MalformedPartial."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at = data, at

    @property
    def left(self) -> int:
        """Return how many bytes were not read yet."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if size > self.left:
            raise MalformedPartial(f"{size} bytes expected, {self.left} left")
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return self.take(self.left)

    def varint(self) -> int:
        """Return the next number of `varint`."""
        number = 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            byte = self.byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise MalformedPartial(f"a number of more than {MAX_VARINT_BYTES} bytes")

    def end(self) -> None:
        """Raise MalformedPartial unless all was read."""
        if self.left:
            raise MalformedPartial(f"{self.left} bytes more than expected")

"""Images, slots and swaps as MCUboot has them, on the file that stands for native_sim's flash."""
import hashlib
import struct

SLOT_SIZE = 0x69000
RUNNING, OTHER = 0xC000, 0x75000
FLASH_SIZE = 2048 * 1024
MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
# Of the trailer, from the slot's end.
MAGIC_AT, OK_AT, COPIED_AT = 16, 24, 32
TEST_SWAP = b"\x02"


def image(version, body):
    """An image as imgtool makes it, without a signature."""
    major, minor, revision = map(int, version.split("."))
    header = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 0x200, 0, len(body), 0, major, minor, revision, 0, 0)
    hashed = header.ljust(0x200, b"\0") + body
    return hashed + struct.pack("<HHHH", 0x6907, 40, 0x10, 32) + hashlib.sha256(hashed).digest()


class Flash:
    """Both slots; the device that has the file open is not running meanwhile."""

    def __init__(self, path, factory):
        self.path = path
        path.write_bytes(b"\xff" * FLASH_SIZE)
        self.write(RUNNING, image(factory, b"factory"))

    def read(self, at, size):
        with self.path.open("rb") as file:
            file.seek(at)
            return file.read(size)

    def write(self, at, content):
        with self.path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    def trailer(self, slot, at, size=1):
        return self.read(slot + SLOT_SIZE - at, size)

    def is_marked(self):
        """boot_request_upgrade has asked for a swap."""
        return self.trailer(OTHER, MAGIC_AT, 16) == MAGIC

    def is_confirmed(self):
        return self.trailer(RUNNING, OK_AT) == b"\x01"

    def swap(self):
        """What MCUboot does at boot with a slot that is marked for a test."""
        assert self.is_marked()
        body = SLOT_SIZE - 0x1000
        new, old = self.read(OTHER, body), self.read(RUNNING, body)
        self.write(RUNNING, new.ljust(SLOT_SIZE, b"\xff"))
        self.write(OTHER, old.ljust(SLOT_SIZE, b"\xff"))
        end = RUNNING + SLOT_SIZE
        self.write(end - MAGIC_AT, MAGIC)
        self.write(end - COPIED_AT, b"\x01")
        self.write(end - COPIED_AT - 8, TEST_SWAP)

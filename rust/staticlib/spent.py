"""Where a linked library spends its code: bytes by source file of ours, inlined or not. Called by `size --files`."""

import collections
import re
import subprocess
import sys


def instructions(elf):
    """Address and size of each instruction."""
    listing = subprocess.run(["arm-none-eabi-objdump", "-d", elf], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        match = re.match(r"^\s+([0-9a-f]+):\t((?:[0-9a-f]{4} ?){1,2}|[0-9a-f]{8})\s", line)
        if match:
            yield int(match[1], 16), len(match[2].replace(" ", "")) // 2


def frames(elf, addresses):
    """The source lines of each address, innermost first."""
    answer = subprocess.run(
        ["arm-none-eabi-addr2line", "-e", elf, "-i", "-a"],
        input="\n".join(map(hex, addresses)), capture_output=True, text=True, check=True,
    ).stdout
    current = None
    for line in answer.splitlines():
        if line.startswith("0x"):
            if current:
                yield current
            current = []
        else:
            current.append(line)
    yield current


def main(elf):
    sizes = dict(instructions(elf))
    spent = collections.Counter()
    for address, lines in zip(sizes, frames(elf, sizes)):
        ours = (re.search(r"/rust/((?:proto|iothub|ncs|app|staticlib)/src/[^:]+)", line) for line in lines)
        file = next((match[1] for match in ours if match), "core, log, heapless and compiler-rt")
        spent[file] += sizes[address]
    for file, size in spent.most_common():
        print(f"{size:7} {file}")
    print(f"{sum(spent.values()):7} all")


main(sys.argv[1])

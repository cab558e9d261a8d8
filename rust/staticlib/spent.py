"""Where a linked library spends its code: bytes by part, by source file and by function of ours, inlined or not. What is
core's counts for the function of ours that it is inlined into. Called by `size --files`."""

import collections
import re
import subprocess
import sys

# What serves what; the first that fits.
PARTS = [
    ("firmware updates", r"fota"),
    ("Nordic's feature set: connect, telemetry, C2D, twin, methods",
     r"proto/src/(identity|topic|telemetry|properties|percent|twin|methods|writer|event|id|lib|client/publish|client/inputs)\.rs"
     r"|ncs/src/mqtt|iothub/src/(callbacks|carry_out|lib)\.rs"),
    ("requests and commands, for those and for the rest", r"proto/src/client/(commands|requests|mod)\.rs"),
    ("reconnect, timers, supervision of the link", r"proto/src/(client/link|reconnect|timer|time|zero_option)\.rs"),
    ("texts of the log: who says what when", r"describe|reminder|ncs/src/(text|errno)\.rs|proto/src/error"),
    ("JSON, checked before it is believed or sent", r"proto/src/json"),
    ("the driver, its inbox and turns, `wait_for`", r"iothub/src/(driver|inbox|turn|sequence|options)\.rs"),
    ("DPS", r"proto/src/dps"),
    ("network gate, NAT64", r"proto/src/(network|address)\.rs|ncs/src/(pdn|lte)\.rs"),
    ("settings, who the device is, its access point name", r"iothub/src/identity|ncs/src/settings"),
    ("a modem that has stopped, missing credentials", r"iothub/src/recovery|ncs/src/(modem|at|tls|keys)\.rs"),
    ("platform, lock, logger", r"ncs/src/platform"),
    ("outbox", r"proto/src/outbox"),
    ("the C functions and what they keep", r"capi/src"),
    ("the application", r"app/src"),
    ("the measuring caller", r"staticlib/"),
]
FUNCTIONS = 25


def instructions(elf):
    """Address and size of each instruction."""
    listing = subprocess.run(["arm-none-eabi-objdump", "-d", elf], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        match = re.match(r"^\s+([0-9a-f]+):\t((?:[0-9a-f]{4} ?){1,2}|[0-9a-f]{8})\s", line)
        if match:
            yield int(match[1], 16), len(match[2].replace(" ", "")) // 2


def frames(elf, addresses):
    """The functions of each address with their source lines, innermost first."""
    answer = subprocess.run(
        ["arm-none-eabi-addr2line", "-e", elf, "-f", "-C", "-i", "-a"],
        input="\n".join(map(hex, addresses)), capture_output=True, text=True, check=True,
    ).stdout
    current, function = None, None
    for line in answer.splitlines():
        if line.startswith("0x"):
            if current is not None:
                yield current
            current, function = [], None
        elif function is None:
            function = line
        else:
            current.append((function, line))
            function = None
    yield current


def plain(function):
    """The last name of a path, without what it is generic over."""
    function = re.sub(r"::\{closure[^}]*\}.*", "", function)
    while "<" in function:
        shorter = re.sub(r"<[^<>]*>", "", function)
        if shorter == function:
            break
        function = shorter
    return function.rstrip(":").rsplit("::", 1)[-1].lstrip(">")


def table(head, rows):
    print(f"| {head} | bytes |\n|---|--:|")
    for name, size in rows:
        print(f"| {name} | {size:,} |")
    print()


def main(elf):
    sizes = dict(instructions(elf))
    files, parts, functions = collections.Counter(), collections.Counter(), collections.Counter()
    for address, found in zip(sizes, frames(elf, sizes)):
        size = sizes[address]
        ours = ((function, re.search(r"/rust/((?:proto|iothub|ncs|capi|app|staticlib)/src/[^:]+)", line)) for function, line in found)
        function, match = next(((function, match) for function, match in ours if match), (None, None))
        if match is None:
            memory = any("compiler_builtins::mem" in name for name, _ in found)
            part = "memcpy and its like: the C library's in a firmware" if memory else "core, log, heapless, compiler-rt"
            files[part] += size
            parts[part] += size
            functions[f"`{plain(found[-1][0])}` of core and others"] += 0 if memory else size
            continue
        files[match[1]] += size
        parts[next((part for part, pattern in PARTS if re.search(pattern, match[1])), "the rest")] += size
        functions[f"`{plain(function)}` in {match[1].replace('src/', '')}"] += size
    table("part", parts.most_common())
    table("function", functions.most_common(FUNCTIONS))
    table("file", files.most_common())
    print(f"{sum(sizes.values()):,} all")


main(sys.argv[1])

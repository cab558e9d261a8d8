"""Writes the tables client by feature from the logs of the last run: matrix.py WORK [DOCUMENT].

With a document, the tables there between their marks are written anew: the columns of which there are logs, the others stay.
"""
import pathlib
import sys

ORDER = ["python", "node", "openssl", "amqp-python", "amqp-node", "c"]
SCENARIOS = ["websocket", "files", "modules", "jobs", "surface"]
CLI = {"az": "az: ", "article": "", "guide": "", "commands": ""}
BEGIN, END = "<!-- made by tests/interop/run --matrix{} -->", "<!-- end -->"


def lines(path):
    """The checks of a log, and how each went."""
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            verdict, _, name = line.partition(" ")
            if verdict in ("pass", "FAIL") and not name.endswith("came to its end"):
                yield name, "yes" if verdict == "pass" else "**no**"


def clients(work):
    """Those that do the same things, each in a log of its own."""
    for client in ORDER:
        for name, result in lines(work / f"{client}.log"):
            yield name, client, result


def scenarios(work):
    """What one log has of several clients, and the Azure CLI."""
    for scenario in SCENARIOS:
        for name, result in lines(work / f"{scenario}.log"):
            client, _, feature = name.partition(": ")
            if client not in ("python", "node"):
                client, feature = ("mqtt.js", name) if "mqtt.js" in name else ("python", feature)
            yield f"{scenario}: {feature}", client, result
    for name, result in lines(work / "amqp-others.log"):
        client, _, feature = name.partition(": ")
        yield f"event hub: {feature}", client, result
    for log, prefix in CLI.items():
        for name, result in lines(work / f"{log}.log"):
            yield f"{prefix}{name}", "Azure CLI", result


def cells(text):
    """What a table says: row, column, cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    for name, *row in rows[2:]:
        yield from ((name, client, result) for client, result in zip(rows[0][1:], row) if result != "–")


def table(found, before):
    found = list(found)
    new = {client for _, client, _ in found}
    results = {}
    for name, client, result in [cell for cell in cells(before) if cell[1] not in new] + found:
        results.setdefault(name, {})[client] = result
    columns = list(dict.fromkeys(client for row in results.values() for client in row))
    columns.sort(key=lambda it: ORDER.index(it) if it in ORDER else len(ORDER))
    text = ["| feature | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    text += [f"| {name} | " + " | ".join(row.get(client, "–") for client in columns) + " |" for name, row in results.items()]
    return "\n".join(text) + "\n" if results else ""


work = pathlib.Path(sys.argv[1])
document = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
for mark, found in ("", clients(work)), (": scenarios", scenarios(work)):
    whole, begin = document.read_text() if document else "", BEGIN.format(mark)
    before, _, rest = whole.partition(begin)
    old, _, after = rest.partition(END)
    text = table(found, old)
    if document:
        document.write_text(f"{before}{begin}\n{text}{END}{after}")
    print(text, end="")

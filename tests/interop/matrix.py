"""Writes the table client by feature from the logs of the last run: matrix.py WORK [DOCUMENT].

With a document, the table there between the two marks is replaced.
"""
import pathlib
import sys

ORDER = ["python", "node", "openssl", "amqp-python", "amqp-node"]
BEGIN, END = "<!-- made by tests/interop/run --matrix -->", "<!-- end -->"


def table(work):
    results, clients = {}, [name for name in ORDER if (work / f"{name}.log").exists()]
    for client in clients:
        for line in (work / f"{client}.log").read_text(errors="replace").splitlines():
            verdict, _, name = line.partition(" ")
            if verdict in ("pass", "FAIL"):
                results.setdefault(name, {})[client] = "yes" if verdict == "pass" else "**no**"
    lines = ["| feature | " + " | ".join(clients) + " |", "|---|" + "---|" * len(clients)]
    lines += [f"| {name} | " + " | ".join(row.get(client, "–") for client in clients) + " |" for name, row in results.items()]
    return "\n".join(lines) + "\n"


text = table(pathlib.Path(sys.argv[1]))
if len(sys.argv) > 2:
    document = pathlib.Path(sys.argv[2])
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
print(text, end="")

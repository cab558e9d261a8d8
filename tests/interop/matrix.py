"""Writes the table client by feature from the logs of the last run."""
import pathlib
import sys

results = {}
clients = []
for log in sorted(pathlib.Path(sys.argv[1]).glob("*.log")):
    clients.append(log.stem)
    for line in log.read_text(errors="replace").splitlines():
        verdict, _, name = line.partition(" ")
        if verdict in ("pass", "FAIL"):
            results.setdefault(name, {})[log.stem] = "yes" if verdict == "pass" else "**no**"
print("| feature | " + " | ".join(clients) + " |")
print("|---|" + "---|" * len(clients))
for name, row in results.items():
    print(f"| {name} | " + " | ".join(row.get(client, "–") for client in clients) + " |")

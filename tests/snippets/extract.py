"""Writes the blocks of a page as the files that their first lines name: extract.py PAGE FOLDER, by language."""
import pathlib
import re
import sys

page, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
LANGUAGES = {"toml": "rust", "rust": "rust", "python": "python", "": "python", "json": "node", "js": "node", "sh": "shell"}
for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S):
    name = re.search(r'(?:^(?:#|//) |^\s*"//": ")([\w./-]+)', text, re.M).group(1)
    path = folder / LANGUAGES[language] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

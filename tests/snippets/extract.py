"""Writes the blocks of a page as the files that their first lines name: extract.py PAGE FOLDER, by language."""
import pathlib
import re
import sys

page, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
LANGUAGES = {"toml": "rust", "rust": "rust", "python": "python", "": "python", "json": "node", "js": "node", "sh": "shell", "c": "service"}
for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S):
    named = re.match(r'(?:\{\s*)?(?:(?:#|//) |"//": ")([\w/.-]+\.\w+)', text)
    if not named:
        continue
    name = named.group(1)
    # A file of a folder of its own says so.
    own = name.partition("/")[0] in ("service", "containers")
    path = folder / name if own else folder / LANGUAGES[language] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

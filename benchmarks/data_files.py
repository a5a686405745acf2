"""Tables of a run as data files: one CSV file a table, with what was said about it in lines that begin with #."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path


def write_tables(folder: Path, group: str, text: str, machine: str) -> list[Path]:
    """Writes the Markdown tables in `text` as `group`.csv, or `group`_1.csv and so on, in place of earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{group}*.csv"):
        if old.stem.removeprefix(group).strip("_").isdigit() or old.stem == group:
            old.unlink()
    found = parts(text)
    written = []
    for place, (said, rows) in enumerate(found, 1):
        path = folder / (f"{group}.csv" if len(found) == 1 else f"{group}_{place}.csv")
        about = [line for line in (machine, *said) if line]
        lines = StringIO()
        csv.writer(lines, lineterminator="\n").writerows(rows)
        path.write_text("".join(f"# {line}\n" for line in about) + lines.getvalue(), encoding="utf-8")
        written.append(path)
    return written


def parts(text: str) -> list[tuple[list[str], list[list[str]]]]:
    """(lines said about it, rows with the head first) of every Markdown table; what follows the last belongs to it."""
    found: list[tuple[list[str], list[list[str]]]] = []
    said: list[str] = []
    is_table = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not is_table:
                found.append((said, []))
                said = []
            cells = [cell.strip().strip("`") for cell in line.strip()[1:-1].split("|")]
            if not set("".join(cells)) <= set("-: |"):
                found[-1][1].append(cells)
        elif line.strip():
            said.append(line.strip())
        is_table = line.startswith("|")
    if found:
        found[-1][0].extend(said)
    return found

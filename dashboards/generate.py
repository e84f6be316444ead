#!/usr/bin/env python3
"""Writes the Grafana dashboards of this folder; calls.py and plumbing.py say what is in them.

usage: dashboards/generate.py             writes dashboards/*.json
       dashboards/generate.py --check     writes nothing; exit code 1 when a file is not what would be written
       dashboards/generate.py --native DIRECTORY
                                          writes a variant that asks for native histograms instead of classic buckets
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

import calls  # noqa: E402
import plumbing  # noqa: E402

DASHBOARDS = {
    "overview": calls.overview, "operation": calls.operation, "connections": plumbing.connections,
    "limits-and-drain": plumbing.limits_and_drain, "weir": plumbing.weir,
}


def files(native=False):
    return {
        f"{name}.json": json.dumps(make(native), indent=1, ensure_ascii=False) + "\n"
        for name, make in DASHBOARDS.items()
    }


def check():
    wanted = files()
    there = {path.name: path.read_text(encoding="utf8") for path in FOLDER.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in stale:
        print(f"dashboards/{name}: not what dashboards/generate.py writes", file=sys.stderr)
    return 1 if stale else 0


def write(folder, native):
    for name, text in files(native).items():
        (folder / name).write_text(text, encoding="utf8")


match sys.argv[1:]:
    case []:
        write(FOLDER, False)
    case ["--check"]:
        sys.exit(check())
    case ["--native", folder]:
        write(pathlib.Path(folder), True)
    case _:
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(64)

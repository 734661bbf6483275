"""Runs ours and the peers in turn, and writes the ratios, pair by pair, as JSON and a table.

Usage: cpu.py OUT_DIR NAME=COMMAND ...; the first is ours. See run-cpu.sh. Needs Python 3.11.
Ours alone answers with a third number, its share of the ceiling.
"""

import datetime
import importlib.metadata
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tomllib

ROUNDS = 7
CASES = [(l, b, k) for l, b in ((1, 128), (3, 128), (3, 512)) for k in ("standard", "bregman")]
# The middle number is how many networks of ours train side by side; peers train one.
SPIRALS = [(0, 1, "bregman"), (0, 512, "bregman")]
# Peers that have no program for the spirals' network.
NO_SPIRALS = {"torch.compile"}
NOTE = """
Ours / best is the smallest of the peers' ratios; a ratio is the median over the rounds. In the rows of
Bregman layers, those of the spirals included, ours is the dual form and the peers' the primal one. The
last row sets 512 runs of ours against one of the peer's.
"""

out_dir = pathlib.Path(sys.argv[1])
commands = dict(argument.split("=", 1) for argument in sys.argv[2:])
ours = next(iter(commands))
peers = {}
for name, command in commands.items():
    pipe = subprocess.PIPE
    peers[name] = subprocess.Popen(command, shell=True, stdin=pipe, stdout=pipe, text=True)


def ask(name, layers, batch, kind):
    process = peers[name]
    print(layers, batch, kind, file=process.stdin, flush=True)
    return [float(number) for number in process.stdout.readline().split()]


def median(values):
    return statistics.median(values) if values else None


rows = []
for layers, batch, kind in CASES + SPIRALS:
    rates = {name: [] for name in commands}
    first, ceilings = {}, []
    for _ in range(ROUNDS):
        for name in commands:
            request = (layers, batch, kind)
            if layers == 0 and name != ours:
                if name in NO_SPIRALS:
                    continue
                request = (0, 1, kind)
            answer = ask(name, *request)
            if answer:
                rates[name].append(answer[0])
                first.setdefault(name, answer[1])
                ceilings += answer[2:]
    ratios = {
        name: median([a / b for a, b in zip(rates[ours], rates[name])])
        for name in commands
        if name != ours and rates[name]
    }
    rows.append(
        {
            "layers": layers,
            "batch": 10 if layers == 0 else batch,
            "runs": batch if layers == 0 else 1,
            "kind": kind,
            "steps_per_second": {name: median(values) for name, values in rates.items()},
            "all_rates": rates,
            "ratios": ratios,
            "ratio_to_best": min(ratios.values(), default=None),
            "share_of_ceiling": median(ceilings),
            "first_step_seconds": first,
        }
    )
    print(json.dumps({k: v for k, v in rows[-1].items() if k != "all_rates"}), flush=True)

for process in peers.values():
    process.stdin.close()

processor = {}
for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
    key, _, value = line.partition(":")
    if key.strip() in ("model name", "cpu family", "model", "stepping"):
        processor[key.strip()] = value.strip()
cpu = processor.get("model name") or platform.machine()
lock = tomllib.loads((pathlib.Path(__file__).parent / "rust/Cargo.lock").read_text())
packages = [(found.name, found.version) for found in importlib.metadata.distributions()]
packages += [(package["name"], package["version"]) for package in lock["package"]]
peers_of = ("torch", "jax", "burn", "candle-core")
versions = {package: version for package, version in packages if package in peers_of}
name = "-".join(cpu.lower().replace("(r)", "").split())
stem = out_dir / f"cpu-{name}-{datetime.date.today()}"
found = {"cpu": cpu, "processor": processor, "versions": versions, "rows": rows}
stem.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def cell(row, name):
    rate = row["steps_per_second"][name]
    return "–" if rate is None else f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def title(row):
    if row["layers"] == 0:
        runs = f", {row['runs']} side by side" if row["runs"] > 1 else ""
        return f"spiral net, batch 10{runs}"
    return f"{row['layers']} × 784 {row['kind']}, batch {row['batch']}"


lines = ["| steps/s | " + " | ".join(commands) + " | ours / best | ceiling |"]
lines.append("|---" * (len(commands) + 3) + "|")
for row in rows:
    best, share = row["ratio_to_best"], row["share_of_ceiling"]
    cells = [cell(row, name) for name in commands]
    ceiling = "" if share is None else f"{100 * share:.0f} %"
    lines.append(f"| {title(row)} | " + " | ".join(cells) + f" | {best:.2f} × | {ceiling} |")
table = "\n".join(lines) + "\n" + NOTE
stem.with_suffix(".md").write_text(table)
print(table)

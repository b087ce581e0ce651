"""`python -m benchmarks [names...]`: print every figure beside its peer and its promise."""

import argparse
import sys
import traceback
from collections.abc import Callable

from benchmarks import compaction, drift, ingest, outcomes, profile, registry, report, serving, statistics, window
from benchmarks.report import Lines

BENCHES: dict[str, Callable[[], Lines]] = {
    "profile": profile.lines,
    "window": window.lines,
    "compaction": compaction.lines,
    "outcomes": outcomes.lines,
    "ingest": ingest.lines,
    "registry": registry.lines,
    "statistics": statistics.lines,
    "drift": drift.lines,
    "serving": serving.lines,
}


def main(names: list[str]) -> int:
    """Run the benches in turn. 1 if a promise was missed or a bench failed, else 0."""
    missed: list[str] = []
    print(f"{report.load()}\nprocessor: {report.speed()}", flush=True)
    for name in names or BENCHES:
        print(f"\n{name} ({report.load()}; {report.speed()})", flush=True)
        try:
            for line in BENCHES[name]():
                print(f"  {line}", flush=True)
                if line.promise and not line.promise.is_met:
                    missed.append(f"{line.name}: {line.promise.text}")
        except Exception:
            traceback.print_exc()
            missed.append(f"{name}: the bench failed")
    print(f"\n{'all promises met' if not missed else 'not met:'}")
    for what in missed:
        print(f"  {what}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against peers, in one run.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which benches (default: all): {', '.join(BENCHES)}")
    chosen = parser.parse_args().names
    if unknown := [name for name in chosen if name not in BENCHES]:
        parser.error(f"there is no bench {', '.join(unknown)}; choose from {', '.join(BENCHES)}")
    sys.exit(main(chosen))

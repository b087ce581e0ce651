"""Runs: one measurement of one window, computed outside of a transaction and saved whole or not at all.

`execution.execute` does the work and `execution.recompute` repeats it; they are not imported here, because web
processes ask for runs (`request`) and load no scipy.

`Run.summary` is what pages and lists show without reading measurements:

* `verdicts`: how many findings have each verdict, such as {"ok": 98, "drift": 2}
* `worst`: the verdict the run is shown with; `checks`: the worst verdict of each check
* `top`: at most five features with the largest excess drift, in order:
  {"feature", "version" (number), "psi", "excess", "verdict"}
* `rejected`: items that came in during the window and were refused
* `damaged`: files among those the numbers rest on that cannot be read any more

A run without rows has the state `no_data`, the summary {"verdicts": {"no_data": 1}, "worst": "no_data", "top": []}
with these counts, and at most the measurements of volume and silence.
`Run.inputs`: {"chunks", "generations" ({version: {day: generation}}), "labels" (the same of outcomes, where they are
read), "grids", "references"}.
"""

from monitoring.runs.requesting import WindowOpen, request

__all__ = ["WindowOpen", "request"]

"""The drawn signs of the portal, on a 12 px grid, as (class, path) pairs of one inline SVG.

Every verdict has a shape of its own, so that it is told apart without colour. `k` is cut out of a filled shape,
`o` is an outline, `d` a dashed outline, no class is filled.
"""

from collections.abc import Mapping, Sequence

Paths = Sequence[tuple[str, str]]

_DISC = "M0 6a6 6 0 1 0 12 0a6 6 0 1 0-12 0"
_RING = "M.8 6a5.2 5.2 0 1 0 10.4 0a5.2 5.2 0 1 0-10.4 0"

SHAPES: Mapping[str, Paths] = {
    "tick": (("", _DISC), ("k", "M3.4 6.3 5.2 8l3.4-4")),
    "triangle": (("", "M6 .4 12 11.4H0Z"), ("k", "M6 4.4v3M6 9.4v.1")),
    "diamond": (("", "M6-.6 12.6 6 6 12.6-.6 6Z"), ("k", "M6 3v3.4M6 8.9v.1")),
    "dashed-ring": (("d", _RING),),
    "struck-ring": (("o", _RING), ("o", "M2.4 9.6 9.6 2.4")),
    "crossed-square": (("", "M2 0h8q2 0 2 2v8q0 2-2 2H2q-2 0-2-2V2q0-2 2-2"), ("k", "m3.6 3.6 4.8 4.8m0-4.8L3.6 8.4")),
    "ring": (("o", _RING),),
    "arc": (("o", "M6 .8A5.2 5.2 0 1 1 .8 6"),),
    "clock": (("o", _RING), ("o", "M6 3v3.2l2 1.3")),
    "info": (("", _DISC), ("k", "M6 5.6V9M6 3.1v.1")),
    "lock": (
        ("", "M3 5h6q1.5 0 1.5 1.5v4Q10.5 12 9 12H3q-1.5 0-1.5-1.5v-4Q1.5 5 3 5"),
        ("o", "M3.6 5V3.4a2.4 2.4 0 0 1 4.8 0V5"),
    ),
}

NAVIGATION: Mapping[str, str] = {
    "search": "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10m3.6-1.4L14 14",
    "fleet": "M2 13V8m4 5V3m4 10V6m4 7v-3",
    "alerts": "M8 2a4 4 0 0 0-4 4c0 4-1.5 5-1.5 5h11S12 10 12 6a4 4 0 0 0-4-4ZM6.7 13.5a1.5 1.5 0 0 0 2.6 0",
    "models": "m8 1.8 5.5 3.1v6.2L8 14.2l-5.5-3.1V4.9zM2.5 4.9 8 8l5.5-3.1M8 8v6.2",
    "runs": "M1.5 8h3l2-5 3 10 2-5h3",
    "sources": "M8 2.2c3 0 5 .9 5 2s-2 2-5 2-5-.9-5-2 2-2 5-2M3 4.2v7.6c0 1.1 2 2 5 2s5-.9 5-2V4.2M3 8c0 1.1 2 2 5 2s5-.9 5-2",
    "consumers": "M2 8h8m-3-3 3 3-3 3M10 2.5h3.5v11H10",
    "audit": "M4 1.8h8v12.4H4zM6 5h4M6 8h4M6 11h2",
    "jobs": "M2.5 4h11M2.5 8h11M2.5 12h6",
    "serving": "M2 3.5h12v3.6H2zM2 8.9h12v3.6H2zM4.2 5.3h.1M4.2 10.7h.1",
    "changes": "M3.5 14V2.5h9l-2.2 3.2 2.2 3.3h-9",
    "teams": "M2 13c.3-2.3 1.8-3.5 4-3.5s3.7 1.2 4 3.5M6 7.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4m4.6-.3a1.9 1.9 0 1 0-.3-3.7"
    "M11.6 9.6c1.5.3 2.3 1.4 2.5 3.1",
}

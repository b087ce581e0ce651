"""The permission table as the design writes it, row by row, for the test of every cell."""

ROLES = ("viewer", "contributor", "maintainer", "reviewer", "approver", "auditor", "admin")

# x where the standing gives the right; in the order of ROLES.
TABLE = """
inventory.view          x x x x x x x
change_event.view       x x x x x x x
monitor.view            x x x x x x x
alert.view              x x x x x x x
decision.view           x x x x x x x
review.view             x x x x x x x
inventory.edit          . x x . . . x
inventory.remove        . . x . . . x
deployment.activate     . x x . . . x
decision.propose        . x x . . . x
change_event.report     . x x . . . x
monitor.edit            . x x . . . x
silence.edit            . x x . . . x
alert.handle            . x x x x . x
decision.review         . . . . x . .
decision.apply          . . x . . . .
decision.emergency      . . x . . . .
item.label              . . . x . . .
item.adjudicate         . . . . . . .
review.manage           . . x . . . .
traffic.view_raw        . . x . . . .
traffic.erase           . . x . . . .
key.manage              . . x . . . x
webhook.manage          . . x . . . x
member.manage           . . x . . . x
route.manage            . . x . . . x
adaptation.manage       . . x . . . x
audit.view              . . x . . x x
user.manage             . . . . . . x
team.manage             . . . . . . x
environment.manage      . . . . . . x
"""

CELLS = [
    (permission, role, mark == "x")
    for permission, *marks in (line.split() for line in TABLE.strip().splitlines())
    for role, mark in zip(ROLES, marks, strict=True)
]

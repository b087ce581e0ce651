"""Every number the portal shows: pure functions over arrays and counts, without Django."""

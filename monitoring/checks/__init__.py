"""Kinds of checks: `config` says what a monitor measures (light), `table` knows the functions that do it (heavy)."""

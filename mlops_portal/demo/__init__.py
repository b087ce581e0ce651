"""A made-up company of four models, each with an incident that the pages show."""

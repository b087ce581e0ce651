"""History files into traffic, through the same path as live traffic."""

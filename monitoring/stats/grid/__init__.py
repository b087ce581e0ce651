"""Grid: the cells on which a model version's reference and traffic are counted, frozen for ever."""

from monitoring.stats.grid.category import OTHER, CategoryGrid, category_grid
from monitoring.stats.grid.frozen import FeatureSpec, Grid, Slot, freeze
from monitoring.stats.grid.headline import headline
from monitoring.stats.grid.numeric import NumericGrid, numeric_edges
from monitoring.stats.grid.score import SCORE_CELLS, SCORE_EDGES, ScoreGrid, score_cell, score_grid, score_place

__all__ = [
    "OTHER",
    "SCORE_CELLS",
    "SCORE_EDGES",
    "CategoryGrid",
    "FeatureSpec",
    "Grid",
    "NumericGrid",
    "ScoreGrid",
    "Slot",
    "category_grid",
    "freeze",
    "headline",
    "numeric_edges",
    "score_cell",
    "score_grid",
    "score_place",
]

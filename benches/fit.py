"""Least squares: a quantity as a sum of costs per unit, none of them negative."""

from itertools import combinations

import numpy as np


class Fit:
    """`rows` hold what a run had of each unit, `values` what it took. Errors count in proportion to the value, so that a small run
    says as much as a large one. Of all sets of units whose costs come out positive, the one that leaves the least error."""

    def __init__(self, units, rows, values):
        self.units = units
        rows, values = np.array(rows, float), np.array(values, float)
        self.costs = np.zeros(len(units))
        if values.any():
            weights = 1 / np.maximum(values, values.max() / 1e6)
            best = None
            for size in range(1, len(units) + 1):
                for chosen in combinations(range(len(units)), size):
                    costs, *_ = np.linalg.lstsq(rows[:, chosen] * weights[:, None], values * weights, rcond=None)
                    error = (((rows[:, chosen] @ costs - values) * weights) ** 2).sum()
                    if (costs >= 0).all() and (best is None or error < best - 1e-12):
                        best = error
                        self.costs = np.zeros(len(units))
                        self.costs[list(chosen)] = costs

    def of(self, row):
        return float(np.dot(row, self.costs))

    def cost(self, unit):
        return float(self.costs[self.units.index(unit)])

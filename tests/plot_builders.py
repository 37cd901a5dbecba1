"""What tests read from figures."""

from itertools import pairwise

import numpy as np


def gaps_of(axis):
    """The segments of the outlines in a panel, as a set of unit edges."""
    found = [lines for lines in axis.collections if lines.get_label() == "gap"]
    return unit_edges(found[0].get_segments()) if found else set()


def unit_edges(segments):
    edges = set()
    for (x0, y0), (x1, y1) in segments:
        steps = round(abs(x1 - x0) + abs(y1 - y0))
        points = [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps + 1)]
        edges |= {tuple(sorted(each)) for each in pairwise(points)}
    return edges


def naive_edges(mask):
    edges = set()
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                if mask[y, x] and not (inside and mask[y + dy, x + dx]):
                    side = np.array([dx, dy]) / 2
                    along = np.array([dy, dx]) / 2
                    centre = np.array([x, y]) + side
                    edges.add(tuple(sorted((tuple(centre - along), tuple(centre + along)))))
    return edges


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]

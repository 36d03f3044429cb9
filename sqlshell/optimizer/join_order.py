"""Orders of joins: exhaustive for few relations, greedy for many.

Cost of a join, in rows touched: probe one side, build a hash table of the other (twice as dear), write the result.
Up to `EXHAUSTIVE` relations every bushy tree without needless cross products is considered (dynamic programming
over connected sets); beyond, the two trees whose join gives the fewest rows are joined until one is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlshell.optimizer.join_graph import JoinGraph

EXHAUSTIVE = 8
BUILD = 2.0

Tree = int | tuple["Tree", "Tree"]
"""A relation's position, or (probe side, build side)."""


def best_order(graph: JoinGraph) -> tuple[Tree, int]:
    """The cheapest tree found, and its mask."""
    parts = [_component(graph, mask) for mask in _components(graph)]
    # Cross products last, the fewest rows first: they multiply.
    parts.sort(key=lambda p: p[2])
    tree, mask, _ = parts[0]
    for other, other_mask, _ in parts[1:]:
        tree, mask = _paired(graph, (tree, mask), (other, other_mask)), mask | other_mask
    return tree, mask


def _paired(graph: JoinGraph, a: tuple[Tree, int], b: tuple[Tree, int]) -> Tree:
    """Both trees joined, the one with fewer rows as build side."""
    graph.joined_rows(a[1], b[1])
    rows_a, rows_b = graph.size(a[1]), graph.size(b[1])
    return (a[0], b[0]) if rows_b <= rows_a else (b[0], a[0])


def _components(graph: JoinGraph) -> list[int]:
    """Sets of relations that predicates connect."""
    left = (1 << len(graph.relations)) - 1
    out = []
    while left:
        mask = left & -left
        while True:
            grown = mask
            for i, near in enumerate(graph.neighbours):
                if mask >> i & 1:
                    grown |= near
            if grown == mask:
                break
            mask = grown
        out.append(mask)
        left &= ~mask
    return out


def _component(graph: JoinGraph, mask: int) -> tuple[Tree, int, float]:
    members = [i for i in range(len(graph.relations)) if mask >> i & 1]
    tree = _exhaustive(graph, members, mask) if len(members) <= EXHAUSTIVE else _greedy(graph, members)
    return tree, mask, graph.size(mask)


def _join_cost(rows_a: float, rows_b: float, result: float) -> float:
    return result + max(rows_a, rows_b) + BUILD * min(rows_a, rows_b)


def _exhaustive(graph: JoinGraph, members: list[int], whole: int) -> Tree:
    best: dict[int, tuple[float, float, Tree]] = {1 << i: (0.0, graph.rows[i], i) for i in members}
    for mask in _submasks_ascending(whole):
        if mask in best:
            continue
        lowest = mask & -mask
        found: tuple[float, float, Tree] | None = None
        s = (mask - 1) & mask
        while s:
            if s & lowest:
                a, b = best.get(s), best.get(mask ^ s)
                if a is not None and b is not None:
                    found = _better(graph, found, (s, a), (mask ^ s, b))
            s = (s - 1) & mask
        if found is not None:
            best[mask] = found
    return best[whole][2]


def _better(
    graph: JoinGraph,
    found: tuple[float, float, Tree] | None,
    one: tuple[int, tuple[float, float, Tree]],
    other: tuple[int, tuple[float, float, Tree]],
) -> tuple[float, float, Tree] | None:
    """The cheaper of what was found and joining the two; unconnected sets are not joined."""
    (s, a), (t, b) = one, other
    if not _connected(graph, s, t):
        return found
    result = graph.joined_rows(s, t)
    cost = a[0] + b[0] + _join_cost(a[1], b[1], result)
    if found is not None and cost >= found[0]:
        return found
    return cost, result, (a[2], b[2]) if b[1] <= a[1] else (b[2], a[2])


def _connected(graph: JoinGraph, s: int, t: int) -> bool:
    return any(s >> i & 1 and near & t for i, near in enumerate(graph.neighbours))


def _submasks_ascending(whole: int) -> list[int]:
    out = []
    s = whole
    while s:
        out.append(s)
        s = (s - 1) & whole
    return out[::-1]


def _greedy(graph: JoinGraph, members: list[int]) -> Tree:
    trees: dict[int, Tree] = {1 << i: i for i in members}
    while len(trees) > 1:
        masks = list(trees)
        pairs = [
            (graph.joined_rows(s, t), s, t)
            for n, s in enumerate(masks)
            for t in masks[n + 1 :]
            if _connected(graph, s, t)
        ]
        _, s, t = min(pairs)
        trees[s | t] = _paired(graph, (trees.pop(s), s), (trees.pop(t), t))
    return next(iter(trees.values()))

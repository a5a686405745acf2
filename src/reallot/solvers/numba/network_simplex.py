"""Minimum-cost flow by the primal network simplex, compiled. Only `network` imports this, where Numba is there.

The spanning tree hangs from node 0. `parent`, `pred` (the arc to the parent) and `up` (that arc points to the parent)
say where each node hangs; `child`, `after` and `before` link the nodes below one node into a list. `state` is 1 for an
arc at its lower bound (flow 0), -1 for one at its upper; 0 for one that cannot enter: in the tree, or without room.
Potentials rise by the cost along an arc of the tree.

Source: primal network simplex (Cunningham 1976; Ahuja, Magnanti & Orlin 1993), block pricing as in LEMON (Kovács 2015).
"""

from __future__ import annotations

import numba

AT_LOWER, FIXED, AT_UPPER = 1, 0, -1

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def plant(parent, pred, up, cost, child, after, before, depth, potential):  # type: ignore[no-untyped-def]
    """Lists of children, depths and potentials, all afresh from `parent`, `pred` and `up`."""
    count = parent.size
    for node in range(count):
        child[node] = -1
    for node in range(1, count):
        _hang(node, parent[node], parent, child, after, before)
    depth[0], potential[0] = 0, 0.0
    _settle(0, pred, up, cost, parent, child, after, depth, potential)


@_compiled
def _hang(node, above, parent, child, after, before):  # type: ignore[no-untyped-def]
    first = child[above]
    parent[node], after[node], before[node] = above, first, -1
    if first >= 0:
        before[first] = node
    child[above] = node


@_compiled
def _cut(node, parent, child, after, before):  # type: ignore[no-untyped-def]
    left, right = before[node], after[node]
    if left >= 0:
        after[left] = right
    else:
        child[parent[node]] = right
    if right >= 0:
        before[right] = left


@_compiled
def _settle(top, pred, up, cost, parent, child, after, depth, potential):  # type: ignore[no-untyped-def]
    """Depths and potentials of all nodes below `top`, whose own are right."""
    node = child[top]
    while node >= 0:
        arc, above = pred[node], parent[node]
        depth[node] = depth[above] + 1
        potential[node] = potential[above] - cost[arc] if up[node] else potential[above] + cost[arc]
        if child[node] >= 0:
            node = child[node]
            continue
        while node != top and after[node] < 0:
            node = parent[node]
        if node == top:
            return
        node = after[node]


@_compiled
def simplex(  # type: ignore[no-untyped-def]
    source, target, cost, room, flow, state, parent, pred, up, child, after, before, depth, potential, block, near, most
):
    """Pivots until no arc pays by more than `near`; how many there were, or -1 where `most` did not do.

    Prices are looked at in blocks of so many arcs, going round; the best of the first block that has any enters.
    """
    arcs, pivots, start = source.size, 0, 0
    while True:
        entering, best, seen = -1, near, 0
        while seen < arcs:
            for _ in range(min(block, arcs - seen)):
                pays = -state[start] * (cost[start] + potential[source[start]] - potential[target[start]])
                if pays > best:
                    best, entering = pays, start
                start += 1
                if start == arcs:
                    start = 0
                seen += 1
            if entering >= 0:
                break
        if entering < 0:
            return pivots
        pivots += 1
        if pivots > most:
            return -1
        # flow is to run from first to second along the arc, and back through the tree
        if state[entering] == AT_LOWER:
            first, second = source[entering], target[entering]
        else:
            first, second = target[entering], source[entering]
        a, b = first, second
        while a != b:
            if depth[a] >= depth[b]:
                a = parent[a]
            else:
                b = parent[b]
        join = a
        # the last arc that blocks, going round from the join: that keeps the tree strongly feasible
        delta, leaving, side = room[entering], -1, 0
        node = first
        while node != join:
            arc = pred[node]
            left = flow[arc] if up[node] else room[arc] - flow[arc]
            if left < delta:
                delta, leaving, side = left, node, 1
            node = parent[node]
        node = second
        while node != join:
            arc = pred[node]
            left = room[arc] - flow[arc] if up[node] else flow[arc]
            if left <= delta:
                delta, leaving, side = left, node, 2
            node = parent[node]
        if delta > 0.0:
            flow[entering] += delta if state[entering] == AT_LOWER else -delta
            node = first
            while node != join:
                flow[pred[node]] += -delta if up[node] else delta
                node = parent[node]
            node = second
            while node != join:
                flow[pred[node]] += delta if up[node] else -delta
                node = parent[node]
        if side == 0:
            state[entering] = -state[entering]
            flow[entering] = 0.0 if state[entering] == AT_LOWER else room[entering]
            continue
        # the arc that leaves stands exactly at its bound
        arc = pred[leaving]
        emptied = up[leaving] == (side == 1)
        flow[arc] = 0.0 if emptied else room[arc]
        state[arc] = FIXED if room[arc] <= 0.0 else (AT_LOWER if emptied else AT_UPPER)
        state[entering] = FIXED
        # what hung below it hangs from the entering arc now: the way up from there is turned round
        node, above = (first, second) if side == 1 else (second, first)
        arc, points_up = entering, source[entering] == node
        while True:
            old_above, old_arc, old_up = parent[node], pred[node], up[node]
            _cut(node, parent, child, after, before)
            _hang(node, above, parent, child, after, before)
            pred[node], up[node] = arc, points_up
            if node == leaving:
                break
            above, arc, points_up = node, old_arc, not old_up
            node = old_above
        top = first if side == 1 else second
        arc, above = pred[top], parent[top]
        depth[top] = depth[above] + 1
        potential[top] = potential[above] - cost[arc] if up[top] else potential[above] + cost[arc]
        _settle(top, pred, up, cost, parent, child, after, depth, potential)

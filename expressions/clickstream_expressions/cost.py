"""What one evaluation of an expression can cost, estimated from its syntax tree.

A unit is one operation, about 0.1 us. A loop costs its body once for each element it may see; the
number of elements in a field is unknown, so ``ASSUMED_ELEMENTS`` stands for it, as the Kubernetes
API server does for its own CEL. The estimate bounds what an author can write by mistake; the
library's own budget (10,000 iterations an evaluation) bounds what a hostile record can make of it.
"""

from clickstream_expressions.cel_tree import Call, Comprehension, ListOf, Node, children

LIMIT = 10_000  # 1 ms: a filter that costs more would hold a partition below 1,000 clicks a second
ASSUMED_ELEMENTS = 50

# Functions whose work grows with their arguments' length.
_COSTS = {"matches": 20, "replace": 20, "split": 20, "join": 20, "format": 50}


def cost(node: Node) -> int:
    """Return the estimated cost of one evaluation, in units."""
    if isinstance(node, Comprehension):
        elements = len(node.over.elements) if isinstance(node.over, ListOf) else ASSUMED_ELEMENTS
        return cost(node.over) + elements * sum(map(cost, node.body))
    own = _COSTS.get(node.function, 1) if isinstance(node, Call) else 1
    return own + sum(map(cost, children(node)))

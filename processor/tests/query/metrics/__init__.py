"""Windows of metrics: the question, the reading of stores, the answers of several pods, the refusals."""

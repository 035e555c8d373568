"""What can go wrong with an expression, one class per recovery: its docstring says what to do."""


class ExpressionError(Exception):
    """The root of this package's errors; never raised itself."""


class InvalidExpression(ExpressionError):
    """A CEL expression does not parse, type-check or fit the cost limit. Refuse the pipeline with this."""

    def __init__(self, message: str, *, name: str, source: str, line: int, column: int, hint: str) -> None:
        super().__init__(message)
        self.name = name  # the expression's path in the settings
        self.source = source
        self.line = line  # from 1, as is the column
        self.column = column
        self.hint = hint


class EvaluationFailed(ExpressionError):
    """An expression has no value for this click. Dead-letter it with reason expression-error, keep going."""

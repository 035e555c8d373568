"""What can go wrong with an expression, one class per recovery: its docstring says what to do."""


class ExpressionError(Exception):
    """The root of this package's errors; never raised itself."""


class InvalidExpression(ExpressionError):
    """A CEL expression does not parse, type-check, fit the cost limit or can only fail. Refuse the pipeline.

    The text has the expression with a mark under the mistake; ``verdict`` says the same in one line.
    """

    def __init__(
        self, message: str, *, verdict: str, name: str, source: str, line: int, column: int, hint: str
    ) -> None:
        super().__init__(message)
        self.verdict = verdict  # without the name
        self.name = name  # the expression's path in the settings
        self.source = source
        self.line = line  # from 1, as is the column
        self.column = column
        self.hint = hint


class EvaluationFailed(ExpressionError):
    """An expression has no value for this click. Dead-letter it with reason expression-error, keep going."""


# Whatever Python, the library and its binding raise about a value.
OF_A_VALUE = (RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError, LookupError, MemoryError)

"""What is wrong with an expression, said for its author: position, the expression, a hint."""

import re

from clickstream_expressions.environment import SESSION_FIELDS
from clickstream_expressions.errors import InvalidExpression

_LIBRARY_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_OPERATOR = re.compile(r"'(?:_([^_@]+)_|([!-])_|@(in))'")

_TYPES = "int(), double() and string() convert"
_HINTS = [
    (r"undeclared reference to '(user_id|page_url|action|timestamp)\b", r"write click.\1"),
    (r"undeclared reference to '(name|email|country|plan_tier)\b", r"write profile.\1"),
    (r"undeclared reference to '(and|or|not|AND|OR|NOT)'", "CEL writes && for and, || for or, ! for not"),
    (r"undeclared reference to 'session\b", f"a session has {', '.join(SESSION_FIELDS)}"),
    (r"undeclared reference to", "an expression sees `click` and `profile`; text goes in quotes"),
    (r"\(map\(string, dyn\), null\)", "profile.user_id != null tells whether there is a profile"),
    (r"no matching overload for '(==|!=|<|<=|>|>=|in|\+)'", f"both sides must be of one type; {_TYPES}"),
    (r"no matching overload for '(&&|\|\||!|\?:)'", "it takes true or false; compare the value first"),
    (r"no matching overload", f"the function does not take these types; {_TYPES}"),
    (r"[Ss]yntax error: token recognition error at: '=", "write == to compare"),
    (r"[Ss]yntax error.*'(and|or|AND|OR)'", "CEL writes && for and, || for or"),
    (r"[Ss]yntax error", "https://cel.dev describes the language; text goes in quotes"),
    (r"recursion (limit|depth)", "write it shorter: it nests too deeply"),
]


def diagnose(
    name: str, source: str, library_message: str, *, undeclared: str | None = None
) -> InvalidExpression:
    """Return the error for what the library said of ``source``; of several mistakes, the first.

    ``undeclared``: the hint for a name that is not there, where it is not an expression of a pipeline.
    """
    match = _LIBRARY_ERROR.search(library_message)
    if match is None or int(match[1]) > len(source):  # no position: 2^32 - 1
        line, column, text = 1, 1, match[3] if match else library_message
    else:
        line, column, text = int(match[1]), int(match[2]), match[3]
    text = plain(text)
    hint = undeclared if undeclared and "undeclared reference" in text else _hint(text)
    return _error(name, source, text, line, column, hint)


def plain(text: str) -> str:
    """Return what the library said without its own codes and names for operators."""
    text = re.sub(r" \(in container ''\)| \[[A-Z_]+\]$|^[A-Z_]+: | expecting \{.*", "", text)
    text = text.replace("null_type", "null").replace("wrapper(string)", "string or null")
    return _OPERATOR.sub(lambda found: f"'{found[1] or found[2] or found[3]}'", text)


def invalid(name: str, source: str, text: str, offset: int, hint: str) -> InvalidExpression:
    """Return the error for a rule of ours; ``offset`` counts code points from the start."""
    before = source[:offset]
    return _error(name, source, text, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, hint)


def _hint(text: str) -> str:
    for pattern, hint in _HINTS:
        if match := re.search(pattern, text):
            return match.expand(hint) if r"\1" in hint else hint
    return ""


def _error(name: str, source: str, text: str, line: int, column: int, hint: str) -> InvalidExpression:
    lines = source.splitlines() or [""]
    start = max(0, column - 60)  # a long line is shown around the mistake
    shown = lines[min(line, len(lines)) - 1][start : start + 100]
    verdict = f"line {line}, column {column}: {text}"
    message = f"{name}: {verdict}\n  {shown}\n  {' ' * (column - start - 1)}^"
    if hint:
        message += f"\n  hint: {hint}"
        verdict += f"; hint: {hint}"
    return InvalidExpression(
        message, verdict=verdict, name=name, source=source, line=line, column=column, hint=hint
    )

"""What an expression sees: the variables, their types, and the library's two environments for them."""

import ctypes
import sys

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

CLICK_FIELDS = {"user_id": "string", "page_url": "string", "action": "string", "timestamp": "int"}
# A closed session, as metrics of sessions take it; start, end and duration in ms.
SESSION_FIELDS = {
    "user_id": "string", "entry_page": "string", "exit_page": "string",
    "clicks": "int", "start": "int", "end": "int", "duration": "int",
}  # fmt: skip
PROFILE_COLUMNS = ("user_id", "name", "email", "country", "plan_tier")

if sys.version_info < (3, 12):
    # For each null in a value, cel-expr-python 0.1.3 gives up a reference to None that it does not hold. Some
    # thousand nulls would end the process, until None became immortal in Python 3.12. So be it here, too.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 60

_TYPES = {"string": cel.Type.STRING, "int": cel.Type.INT}


def _environment(column: cel.Type) -> cel.Env:
    """Return an environment; dotted names give the declared fields of a map their types."""
    record = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {"click": record, "profile": record}
    variables |= {f"click.{name}": _TYPES[kind] for name, kind in CLICK_FIELDS.items()}
    variables |= {f"session.{name}": _TYPES[kind] for name, kind in SESSION_FIELDS.items()}
    variables |= {f"profile.{name}": column for name in PROFILE_COLUMNS}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


# Two: the first checks, the second runs, for the library takes a nullable string only as a protobuf message.
CHECK = _environment(cel.Type("google.protobuf.StringValue"))
RUN = _environment(cel.Type.DYN)

"""What can be wrong with a request or with this process: one class a recovery."""


class CollectorError(Exception):
    """Anything this program says of itself."""


class InvalidSettings(CollectorError):
    """The environment is wrong. Say so and end: a restart changes nothing."""


class UnreadableBody(CollectorError):
    """The body is no document of the path's vocabulary. Answer 400."""


class UnknownEncoding(CollectorError):
    """The body is compressed in a way nobody asked for. Answer 415."""


class BodyTooLarge(CollectorError):
    """The body, or what it decompresses to, is larger than allowed. Answer 413."""


class KeysUnreadable(CollectorError):
    """The file of write keys cannot be read. Answer 503: nobody is let in, nobody is sent away for good."""


class RecordRefused(CollectorError):
    """Kafka will never take one of the records. Answer 413: sending it again changes nothing."""


class KafkaAway(CollectorError):
    """Kafka does not take records now. Answer 503: the client has them still, and comes back."""

"""What is wrong with a topic's options: told in /status, and by the operator in a condition."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicFinding:
    """One option of one topic that does not fit the pipeline. Clicks go on unless `stops`."""

    topic: str
    option: str
    value: str  # as the brokers have it
    needed: str
    why: str  # what happens otherwise
    wanted: str = ""  # a value that fits; empty where no option's value fixes it
    stops: bool = False  # nothing can be committed like this

    def __str__(self) -> str:
        text = f"topic {self.topic}: {self.option} is {self.value}, needed is {self.needed}: {self.why}"
        if not self.wanted:
            return text
        return (
            f'{text}. Set it (KafkaTopic: spec.config "{self.option}": "{self.wanted}"; else '
            f"kafka-configs.sh --alter --entity-type topics --entity-name {self.topic} "
            f'--add-config "{self.option}={_quoted(self.wanted)}")'
        )


def _quoted(value: str) -> str:
    """Return a value as kafka-configs.sh takes it: a list stands in brackets."""
    return f"[{value}]" if "," in value else value

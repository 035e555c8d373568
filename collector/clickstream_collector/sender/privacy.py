"""What a click keeps of its visitor's address and user agent. Pure."""

from dataclasses import dataclass

import msgspec

from clickstream_collector.mapping.click import Click
from clickstream_collector.sender.addresses import truncated
from clickstream_collector.sender.agents import MAX_CHARS, is_bot, is_server


class Sender(msgspec.Struct, frozen=True, gc=False):
    """What the request itself says of who sent it."""

    address: str | None
    agent: str | None


@dataclass(frozen=True, slots=True)
class Privacy:
    """The installation's choice."""

    keep_ip: bool = True  # shortened; a whole address is never kept
    keep_agent: bool = True
    drop_bots: bool = False

    def apply(self, click: Click, sender: Sender) -> bool:
        """Set address, agent and flag of a click; return whether to keep it.

        What the event says goes before what the request says, for servers send events of visitors.
        """
        agent = click.user_agent
        address = click.ip
        if sender.agent is None or not is_server(sender.agent):
            agent = agent or sender.agent
            address = address or sender.address
        click.bot = agent is not None and is_bot(agent)
        click.user_agent = agent[:MAX_CHARS] if agent is not None and self.keep_agent else None
        click.ip = truncated(address) if address is not None and self.keep_ip else None
        return not (click.bot and self.drop_bots)

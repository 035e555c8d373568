"""The stages of a pipeline: the one list. A stage is added with a file of its own and a line here."""

from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.arrivals import arrivals_stage
from clickstream_processor.stages.clicks import clicks_stage
from clickstream_processor.stages.metrics import metrics_stage
from clickstream_processor.stages.programs import Programs
from clickstream_processor.stages.stage import Stages, by_name
from clickstream_processor.topology.plan import Plan


def stages_of(settings: Settings, plan: Plan, programs: Programs) -> Stages:
    """Return the stages that the settings ask for."""
    stages = [clicks_stage(settings, plan, programs)]
    if settings.topics.partitioner == "any":
        stages.insert(0, arrivals_stage(settings, plan, programs))
    if programs.metrics:
        stages.append(metrics_stage(settings, programs.metrics))
    return by_name(*stages)

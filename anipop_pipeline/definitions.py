"""What Dagster loads. Assembles, decides nothing."""

import dagster as dg

from anipop_pipeline import assets, automation, checks, config, resources

config.check_sections()

defs = dg.Definitions(
    assets=assets.ALL,
    asset_checks=checks.ALL,
    jobs=automation.JOBS,
    schedules=automation.SCHEDULES,
    executor=dg.in_process_executor,
    loggers=automation.LOGGERS,
    resources=resources.resources(resources.settings(), config.DemoConfig()),
)

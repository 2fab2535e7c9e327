"""``vlmrt plan``: where to measure."""

from __future__ import annotations

from vlmrt_dist.campaign_files import write_campaign
from vlmrt_dist.cli.options import (
    CombiningOption,
    DepthOption,
    FileOutOption,
    FrequencyOption,
    HeadroomOption,
    PatternOption,
    PlacementOption,
    PolarizationOption,
    ReceiversOption,
    SceneOption,
    SeedOption,
    SetupsOption,
    check_target,
    named_scene,
    placed,
)
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.terminal import print_result, results_only


def plan(
    out: FileOutOption,
    scene: SceneOption = "box_room",
    setups: SetupsOption = 3,
    receivers: ReceiversOption = 8,
    placement: PlacementOption = "d_optimal",
    seed: SeedOption = 0,
    frequency: FrequencyOption = 3.5e9,
    headroom: HeadroomOption = 0.0,
    antenna_pattern: PatternOption = "iso",
    polarization: PolarizationOption = "V",
    combining: CombiningOption = "power",
    max_depth: DepthOption = 4,
) -> None:
    """Where to measure [m]; add the levels as a column rss_dbm [dBm] and give it to estimate."""
    radio = RadioConfig(
        frequency=frequency,
        antenna_pattern=antenna_pattern,
        polarization=polarization,
        max_depth=max_depth,
        combining=combining,
    )
    check_target(out, ".csv", ".parquet")
    room = named_scene(scene, headroom)
    with results_only():
        planned = placed(placement, room, setups, receivers, seed, radio)
    write_campaign(planned, out)
    print_result(f"{planned.num_links} links of {planned.num_setups} setups written to {out}")

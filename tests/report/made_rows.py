"""Rows and timings of made-up studies, one of them with hostile texts."""

import hashlib
import json
from typing import Any

import numpy as np

import vlmrt_dist as vd
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.store.rows import Row, Timing

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror=hacked=1>"


def row(study: str, label: dict[str, Any], seed: int, **more: Any) -> Row:
    room, campaign = vd.box_room(), random_campaign(vd.box_room(), 3, 2, seed=0)
    digest = hashlib.sha256(json.dumps([study, label]).encode()).hexdigest()[:12]
    history = np.geomspace(0.06, 0.004 + 1e-4 * seed, 400).tolist()
    values: dict[str, Any] = {
        "study": study, "key": f"{digest}-{seed}",
        "configuration": "c", "label": json.dumps(label), "seed": seed, "optimizer": "adam",
        "initial": "itu", "engine": "replay", "protocol": "same_paths", "combining": "power",
        "max_depth": 4, "samples_per_src": 5000, "path_set": "single_solve", "noise_db": 0.0,
        "complete_to": -1, "num_objects": 9, "num_setups": 3, "num_links": 6,
        "num_paths": 60, "scene": room.key, "tx": campaign.tx.ravel().tolist(),
        "rx": campaign.rx.ravel().tolist(), "outcome": "max_iterations", "iterations": 400,
        "initial_mre": 0.06, "mre": history[-1], "held_out_db": 1e-3, "loss": 1e-3,
        "seconds_trace": 0.1, "seconds_fit": 0.02, "names": list(room.names),
        "conductivity": [0.1] * 9, "std": [0.1] * 9, "crb": [0.1] * 9, "low": [0.05] * 9,
        "high": [0.2] * 9, "verdict": ["estimated"] * 9, "contradicts_prior": [False] * 9,
        "coverage": 1.0, "truth": [0.1] * 9, "mre_history": history, "loss_history": history,
        "permittivity": [], "permittivity_std": [], "permittivity_verdict": [],
        "permittivity_truth": [], "restarts": 0, "hardware": "CPU, 2 cores",
        "versions": '{"sionna-rt": "2.2.0"}',
    }  # fmt: skip
    return Row(**(values | more))


def timing(objects: int, engine: str) -> Timing:
    return Timing(
        "complexity", f"{engine}{objects}", '{"varies": "K"}', engine,
        objects, 1, 3, 40, 4, 5000, 0.1, 0.2,
        0.001 * objects, 0.002 * objects, float("nan"), float("nan"), -1, float("nan"), -1,
        "measured", "CPU, 2 cores", "{}",
    )  # fmt: skip


DEPTH = [row("depth", {"D": d}, s, mre=0.002 * (1 + 0.1 * s), max_depth=d)
         for d in (1, 4, 6) for s in range(5)]  # fmt: skip

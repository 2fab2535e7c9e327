import dataclasses

from vlmrt_dist.report.data import Results, StudyRows
from vlmrt_dist.report.plans import plans_of


def test_a_plan_is_that_of_the_rows_and_drawn_over_a_known_room_only(results: Results) -> None:
    study = results.studies[0]
    (plan,), more = plans_of(study)
    assert more == 0
    assert len(plan.outlines) == 9
    assert plan.tx.ravel().tolist() == study.rows[0].tx
    other = dataclasses.replace(study.rows[0], scene="other")
    (plan,), _ = plans_of(StudyRows("depth", study.description, (other,)))
    assert plan.scene is None
    assert not plan.outlines

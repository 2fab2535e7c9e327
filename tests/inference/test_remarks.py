from tests.inference.made_estimates import estimate


def test_remarks_say_what_has_to_be_known() -> None:
    text = "\n".join(
        estimate(
            num_unheard=2, noise_scale=3.0, complete_to=2, num_fragile=1, held_out_db=0.5
        ).remarks()
    )
    assert "converged after 7 evaluations" in text
    assert "over 22 links" in text
    assert "held-out links 0.5 dB" in text
    assert "3.0 times the declared noise" in text
    assert "2 of 24 measured links" in text
    assert "of the paths with more than 2 interactions some may be missing" in text
    assert "paths passes within 0.1 mm of an edge" in text
    assert "conductivity of 1 not identified (box [bold]x)" in text
    assert "vlmrt plan --after" in text
    adam = estimate(optimizer="adam", iterations=300).remarks()[0]
    assert "300 iterations" in adam


def test_remarks_warn_of_what_makes_intervals_doubtful() -> None:
    assert len(estimate().remarks()) == len(estimate(noise_scale=1.0).remarks())
    text = "\n".join(
        estimate(
            contradicts_prior=(True, False, False),
            noise_db=0.0,
            noise_scale=float("nan"),
            outcome="max_iterations",
        ).remarks()
    )
    assert "contradict the prior of floor" in text
    assert "no noise was declared" in text
    assert "too few links to judge the noise" in text
    assert "has not converged" in text

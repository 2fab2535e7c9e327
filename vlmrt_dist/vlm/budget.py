"""Upper bounds on requests and cost, checked before each request.

Before a request is sent, its greatest possible cost is set aside: one token for every byte of the
prompt, ``IMAGE_TOKENS`` for each image, and the longest answer. The token counts of the answer
replace it. A request that was sent and not answered (a timeout, a reset) stays counted at its
greatest cost, because the provider may have worked for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlmrt_dist.errors import ConfigurationError, VlmError

PRICES_USD: dict[str, tuple[float, float]] = {
    "gemini-2.5-pro": (1.25, 10.0),
    "gemini-2.5-flash": (0.30, 2.50),
    "gemini-2.5-flash-lite": (0.10, 0.40),
}
"""Model -> US dollars for a million tokens (sent, received), thoughts counting as received.

An assumption: the pay-as-you-go prices for prompts of up to 200 000 tokens of
https://ai.google.dev/gemini-api/docs/pricing as they were known in 2025. Prices change; the option
``price_usd`` replaces them.
"""

IMAGE_TOKENS = 6000
"""Upper bound on the tokens that a known provider counts for an image of 1024 × 768."""


@dataclass(frozen=True)
class Budget:
    """Bounds on one advisor.

    :param max_requests: most requests, retries and repairs included
    :param max_cost_usd: most US dollars; None: no bound
    :param price_usd: US dollars for a million tokens (sent, received), where the built-in table
        does not know the model or is out of date
    :raises ConfigurationError: if a bound or a price is no positive number
    """

    max_requests: int = 200
    max_cost_usd: float | None = 5.0
    price_usd: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.max_requests < 1:
            raise ConfigurationError("max_requests must be 1 or more")
        if self.max_cost_usd is not None and not self.max_cost_usd > 0.0:
            raise ConfigurationError("max_cost_usd must be a positive number of US dollars")
        if self.price_usd is not None and not (
            len(self.price_usd) == 2 and all(0.0 <= p < float("inf") for p in self.price_usd)
        ):
            raise ConfigurationError(
                "price_usd must be two numbers: US dollars for a million tokens sent, received"
            )

    def price_of(self, known: tuple[float, float] | None) -> tuple[float, float] | None:
        """The price that costs are computed with; None where there is none and no bound needs it.

        :param known: of the model in the built-in table, see :func:`known_price`
        :raises ConfigurationError: if a bound on the cost is asked for and no price is known
        """
        price = self.price_usd or known
        if self.max_cost_usd is not None and price is None:
            raise ConfigurationError(
                "the price of this model is not known, so its cost cannot be bounded; give "
                "price_usd=(sent, received) in US dollars for a million tokens, or "
                "max_cost_usd=None (max_requests still holds)"
            )
        return price


@dataclass
class Meter:
    """Requests and money of one advisor, from its construction on.

    :param budget: the bounds
    :param price_usd: US dollars for a million tokens (sent, received); None if not known
    """

    budget: Budget
    price_usd: tuple[float, float] | None
    requests: int = 0
    spent_usd: float = 0.0

    def cost(self, sent: int, received: int) -> float:
        """US dollars of so many tokens; 0 where the price is not known."""
        price = self.price_usd or (0.0, 0.0)
        return (sent * price[0] + received * price[1]) / 1e6

    def set_aside(self, most_usd: float) -> None:
        """Count a request, at its greatest cost, before it is sent.

        :raises VlmError: if it could exceed a bound; nothing is counted then
        """
        if self.requests >= self.budget.max_requests:
            raise VlmError(
                f"the bound of {self.budget.max_requests} requests is reached; nothing more was "
                "sent (raise max_requests)"
            )
        bound = self.budget.max_cost_usd
        if bound is not None and self.spent_usd + most_usd > bound:
            raise VlmError(
                f"the next request could cost up to {most_usd:.4f} US dollars, "
                f"{self.spent_usd:.4f} are spent and the bound is {bound:g}; it was "
                "not sent (raise max_cost_usd, or lower max_output_tokens)"
            )
        self.requests += 1
        self.spent_usd += most_usd

    def settle(self, most_usd: float, actual_usd: float) -> None:
        """Replace the amount set aside for a request by its actual cost."""
        self.spent_usd += actual_usd - most_usd


def known_price(model: str) -> tuple[float, float] | None:
    """The price of the model whose name is the longest beginning of ``model``."""
    names = [name for name in PRICES_USD if model == name or model.startswith(name + "-")]
    return PRICES_USD[max(names, key=len)] if names else None

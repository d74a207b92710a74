"""Information criteria of any result that has a log-likelihood, free parameters and a sample size."""

from __future__ import annotations

from math import log


class Criteria:
    """AIC, AICc and BIC, from what the result that inherits them knows.

    Attributes:
        log_likelihood: with every constant.
        effective_n: what n means in AICc and BIC.
    """

    log_likelihood: float
    effective_n: float

    @property
    def parameters_count(self) -> int:
        """Free parameters."""
        raise NotImplementedError

    @property
    def nll(self) -> float:
        """Negative log-likelihood."""
        return -self.log_likelihood

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2k - 2 log L (Akaike 1974)."""
        return 2 * self.parameters_count - 2 * self.log_likelihood

    @property
    def aicc(self) -> float:
        """AIC with the small-sample term 2k(k+1)/(n-k-1) (Hurvich and Tsai 1989); NaN for n <= k + 1."""
        k, n = self.parameters_count, self.effective_n
        return self.aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else float("nan")

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k log n - 2 log L (Schwarz 1978)."""
        return self.parameters_count * log(self.effective_n) - 2 * self.log_likelihood

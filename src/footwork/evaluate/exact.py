"""Exact bounds of a share."""

from scipy.special import betaincinv


def clopper_pearson(share: float, n: float) -> tuple[float, float]:
    """Return the exact two-sided 95 % interval of a share of n independent trials.

    n and share * n need not be whole: the beta quantiles that bound them are defined anyway.
    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    right, wrong = share * n, (1 - share) * n
    low = float(betaincinv(right, wrong + 1, 0.025)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 0.975)) if wrong > 0 else 1.0
    return low, high

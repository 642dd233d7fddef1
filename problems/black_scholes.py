"""Black and Scholes' prices of a portfolio of options; their Jacobian holds the Greeks."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]
ROOT_HALF = sqrt(0.5)


def f(x: Any, xp: Any, strikes: Any, expiries: Any, signs: Any) -> Any:
    """s (S Phi(s d) - K e^{-rT} Phi(s (d - sigma sqrt T))), s = 1 for calls and -1 for puts.

    x holds the spots S, volatilities sigma and rates r; the constants have a row for each asset.
    """
    spot, volatility, rate = _columns(x, xp, strikes)
    spread = volatility * xp.sqrt(expiries)
    paid = strikes * xp.exp(-rate * expiries)
    d = xp.log(spot / paid) / spread + 0.5 * spread
    now, later = (0.5 + 0.5 * xp.erf(signs * ROOT_HALF * z) for z in (d, d - spread))
    return xp.reshape(signs * (spot * now - paid * later), (-1,))


def _columns(x: Any, xp: Any, strikes: Any) -> tuple[Any, Any, Any]:
    """Spots, volatilities and rates, each of shape (assets, 1)."""
    table = xp.reshape(x, (3, strikes.shape[0], 1))
    return table[0, ...], table[1, ...], table[2, ...]


def _greeks(x: Array, strikes: Array, expiries: Array, signs: Array) -> Array:
    """Delta, vega and rho, (3, assets, options): s Phi(s d), S phi(d) sqrt T, s K T e^{-rT} Phi.

    Phi of the last is at s (d - sigma sqrt T). No term of f's other two cancels in them: those of
    d itself add up to nothing, S phi(d) = K e^{-rT} phi(d - sigma sqrt T).
    """
    from scipy.special import ndtr

    spot, volatility, rate = _columns(x, np, strikes)
    root = np.sqrt(expiries)
    spread = volatility * root
    paid = strikes * np.exp(-rate * expiries)
    d = np.log(spot / paid) / spread + 0.5 * spread
    delta = signs * ndtr(signs * d)
    vega = spot * root * np.exp(-0.5 * d * d) / sqrt(2.0 * pi)
    rho = signs * expiries * paid * ndtr(signs * (d - spread))
    return np.stack([delta, vega, rho])


def jacobian(x: Array, strikes: Array, expiries: Array, signs: Array) -> Array:
    """Three entries a row: the Greeks of an option by what its own asset brings."""
    assets, options = strikes.shape
    out = np.zeros((assets, options, 3, assets))
    i = np.arange(assets)
    out[i, :, :, i] = np.moveaxis(_greeks(x, strikes, expiries, signs), 0, -1)
    return out.reshape(assets * options, 3 * assets)


def jvp(x: Array, v: Array, strikes: Array, expiries: Array, signs: Array) -> Array:
    """What the prices gain: delta dS + vega dsigma + rho dr."""
    moves = v.reshape(3, -1, 1)
    return np.asarray((_greeks(x, strikes, expiries, signs) * moves).sum(axis=0).ravel())


def vjp(x: Array, w: Array, strikes: Array, expiries: Array, signs: Array) -> Array:
    """The Greeks of w_i pieces of each option, summed over those of an asset."""
    pieces = w.reshape(strikes.shape)
    return np.asarray((_greeks(x, strikes, expiries, signs) * pieces).sum(axis=-1).ravel())


def _point(assets: int, rng: np.random.Generator) -> Array:
    """Spots near 100, volatilities of 0.15 to 0.45, rates of 0.01 to 0.05."""
    bounds = (60.0, 140.0), (0.15, 0.45), (0.01, 0.05)
    return np.concatenate([rng.uniform(*bound, assets) for bound in bounds])


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Strikes of 0.8 to 1.2 spots, three months to two years, calls and puts in turn."""
    assets, options = params["assets"], params["options"]
    shape = (assets, options)
    x = _point(assets, rng)
    strikes = x[:assets, None] * rng.uniform(0.8, 1.2, shape)
    signs = 1.0 - 2.0 * (np.indices(shape).sum(axis=0) % 2)
    return Parts(
        f=f,
        x=x,
        prepare_x=_point(assets, rng),
        constants=(strikes, rng.uniform(0.25, 2.0, shape), signs),
        m=assets * options,
        answers={"jacobian": jacobian, "jvp": jvp, "vjp": vjp},
    )


FAMILY = Family(
    name="black_scholes",
    title="Option prices",
    shows="the Greeks of a portfolio: a closed form, three entries in each row of the Jacobian",
    reference="Black and Scholes, The pricing of options and corporate liabilities, 1973",
    latex=(
        r"f_{ij}(S, \sigma, r) = s \bigl(S_i \Phi(s d) - K_{ij} e^{-r_i T} \Phi(s (d - \sigma_i"
        r" \sqrt T))\bigr), \quad d = \frac{\ln(S_i / K_{ij}) + r_i T}{\sigma_i \sqrt T}"
        r" + \frac{\sigma_i \sqrt T}{2}, \quad T = T_{ij},\ s = \pm 1"
    ),
    parameters={
        "assets": Parameter(4, "assets, each with a spot, a volatility and a rate", minimum=1),
        "options": Parameter(4, "options on each asset; m = assets options", minimum=1),
    },
    sizes={
        "quick": "assets=1|4,options=3",
        "standard": "assets=1|16,options=4",
        "full": "assets=1|8|64|512|4096,options=4|16",
    },
    build=build,
    sparse=frozenset({"jacobian"}),
)

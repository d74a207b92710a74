"""Families by name: the built-in ones, those of installed plugins, and those of a `--plugin` file.

A built-in family is imported when it is asked for, so that a normal fit does not pay for gamma's special
functions. Plugins come through `register`, the same door.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from importlib import import_module, util
from pathlib import Path
from typing import Final

from mlefit.errors import UsageError, nearest
from mlefit.families.base import Family, Parameter
from mlefit.families.guarded import guard

BUILT_IN: Final[dict[str, str]] = {
    "bernoulli": "bernoulli:Bernoulli",
    "binomial": "binomial:Binomial",
    "geometric": "geometric:Geometric",
    "poisson": "poisson:Poisson",
    "negative-binomial": "negative_binomial:NegativeBinomial",
    "zero-inflated-poisson": "zero_inflated:ZeroInflatedPoisson",
    "zero-inflated-negative-binomial": "zero_inflated:ZeroInflatedNegativeBinomial",
    "categorical": "categorical:Categorical",
    "discrete-uniform": "discrete_uniform:DiscreteUniform",
    "normal": "normal:Normal",
    "student-t": "student_t:StudentT",
    "cauchy": "cauchy:Cauchy",
    "laplace": "laplace:Laplace",
    "logistic": "logistic:Logistic",
    "gumbel": "gumbel:Gumbel",
    "gev": "gev:GEV",
    "generalized-pareto": "generalized_pareto:GeneralizedPareto",
    "skew-normal": "skew_normal:SkewNormal",
    "exponential": "exponential:Exponential",
    "gompertz": "gompertz:Gompertz",
    "beta-binomial": "beta_binomial:BetaBinomial",
    "gamma": "gamma:Gamma",
    "inverse-gamma": "inverse_gamma:InverseGamma",
    "weibull": "weibull:Weibull",
    "lognormal": "lognormal:Lognormal",
    "loglogistic": "loglogistic:Loglogistic",
    "inverse-gaussian": "inverse_gaussian:InverseGaussian",
    "beta": "beta:Beta",
    "kumaraswamy": "kumaraswamy:Kumaraswamy",
    "uniform": "uniform:Uniform",
    "rayleigh": "rayleigh:Rayleigh",
    "half-normal": "half_normal:HalfNormal",
    "maxwell": "maxwell:Maxwell",
    "chi-squared": "chi_squared:ChiSquared",
    "pareto": "pareto:Pareto",
    "lomax": "lomax:Lomax",
    "burr12": "burr12:Burr12",
    "von-mises": "von_mises:VonMises",
}

# Families that make sense in a regression alone: without columns a location has nothing to be.
REGRESSED: Final[dict[str, str]] = {
    "ordinal": "ordinal:Ordinal",
    "ordinal-probit": "ordinal:OrdinalProbit",
    "ordinal-cloglog": "ordinal:OrdinalCloglog",
}

# Prefixes that make a family of others, each with an example.
COMPOSERS: Final = {
    "zero-inflated": "zero-inflated:poisson",
    "hurdle": "hurdle:negative-binomial",
    "mixture": "mixture:normal*3",
    "scipy": "scipy:nakagami",
    "density": "density:log(rate) - rate*y; rate>0",
}
GROUP: Final = "mlefit.families"
_registered: dict[str, Family] = {}
_plugins_loaded = False


def register(family: Family | type[Family]) -> Family:
    """Make a family available under its name and aliases.

    Raises:
        UsageError: it has no name, no parameters or no `nll`, or its name is not free.
    """
    try:
        instance = family() if isinstance(family, type) else family
    except Exception as error:
        kind = getattr(family, "__name__", repr(family))
        raise UsageError(f"{kind} cannot be made into a family: {error}") from error
    name, parameters = getattr(instance, "name", ""), getattr(instance, "parameters", ())
    sound = isinstance(parameters, tuple) and all(isinstance(p, Parameter) for p in parameters)
    if not isinstance(instance, Family) or not (isinstance(name, str) and name and parameters and sound):
        raise UsageError(
            f"{type(instance).__name__} is not a family: it needs a name, parameters (a tuple of mlefit.Parameter) "
            "and nll(y, eta)"
        )
    if ":" in name:
        raise UsageError(f"the name {name!r} has a colon, which is kept for families made of others")
    if canonical(name) in BUILT_IN:
        raise UsageError(f"the name {name!r} belongs to a built-in family; give the plugin's family another")
    _registered[canonical(name)] = guard(instance)
    return instance


def canonical(name: str) -> str:
    """Lower case, hyphens for underscores."""
    return name.strip().lower().replace("_", "-")


def get(name: str) -> Family:
    """The family called `name` or having it as an alias.

    Raises:
        UsageError: no such family; the message suggests the nearest name.
    """
    if ":" in name or canonical(name) == "normal-mixture":
        return _composed(name)
    key = canonical(name)
    if key in BUILT_IN or key in REGRESSED:
        return _built_in(key)
    if key not in _registered:
        _load_plugins()
    if key in _registered:
        return _registered[key]
    aliases = {canonical(alias): family for family in every() for alias in family.aliases}
    if key in aliases:
        return aliases[key]
    if key in COMPOSERS:
        raise UsageError(f"{key} alone is no family: it makes one of what follows a colon, such as {COMPOSERS[key]}")
    from mlefit.families.losses import LOSSES

    if key in LOSSES:
        raise UsageError(f"{key} is a loss, not a family; its family is {LOSSES[key].family}")
    if "," in name and "*" not in name:
        raise UsageError(f"{name!r} are several families, and one is fitted here; `mlefit compare` takes several")
    hint = nearest(key, [*BUILT_IN, *_registered, *aliases], "`mlefit families` lists them")
    raise UsageError(f"there is no family called {name!r}; {hint}")


def _composed(name: str) -> Family:
    """A family made of others, or of a text: zero-inflated:NAME, mixture:NAME*K, density:FORMULA; PARAMETERS ..."""
    prefix, _, rest = name.partition(":")
    prefix, rest = canonical(prefix), rest.strip()
    if prefix == "normal-mixture":
        return _composed("mixture:normal*2")
    if prefix not in COMPOSERS:
        hint = nearest(prefix, COMPOSERS, f"the prefixes are {', '.join(COMPOSERS)}", after=f":{rest}", cutoff=0.5)
        raise UsageError(f"there is no kind of family called {prefix!r}; {hint}")
    if not rest and prefix != "density":
        raise UsageError(f"{prefix}: needs the name of a family after the colon, such as {COMPOSERS[prefix]}")
    if prefix in ("zero-inflated", "hurdle"):
        return _zeros_apart(prefix, get(rest))
    if prefix == "scipy":
        from mlefit.families.scipy_adapter import adapt

        return adapt(rest)
    if prefix == "density":
        from mlefit.families.density import Density

        formula, *more = (part.strip() for part in rest.split(";"))
        if not 1 <= len(more) <= 2:
            raise UsageError(f"density: takes a formula, parameters and perhaps a support, such as {COMPOSERS[prefix]}")
        return Density(formula, more[0].replace(",", "&").split("&"), *more[1:], name=name.strip())
    from mlefit.families.mixture import Mixture

    components: list[Family] = []
    written = rest.lower().startswith("density:")  # a formula has signs of its own: the last * is the mixture's
    for part in [rest] if written else rest.split("+"):
        base, star, count = part.rpartition("*") if written else part.partition("*")
        if star and not (count.strip().isdigit() and int(count) > 0):
            raise UsageError(f"a number of components follows the *, such as mixture:normal*3; {count!r} is none")
        components += [get(base.strip())] * (int(count) if star else 1)
    return Mixture(components)


def _zeros_apart(prefix: str, base: Family) -> Family:
    """Of counts, zero-inflated and hurdle are two models; of measurements they are one."""
    if not base.discrete:
        from mlefit.families.semicontinuous import Semicontinuous

        return Semicontinuous(base, prefix)
    if prefix == "hurdle":
        from mlefit.families.hurdle import Hurdle

        return Hurdle(base)
    from mlefit.families.zero_inflated import ZeroInflated

    return ZeroInflated(base)


def text(family: Family) -> str:
    """What `get` makes this family of again, whose parameters are all free."""
    from mlefit.families.pinned import Pinned

    return text(family.base) if isinstance(family, Pinned) else str(getattr(family, "text", family.name))


def names() -> list[str]:
    """Every family's name: built-in ones in the order of the documentation, then plugins."""
    _load_plugins()
    return [*BUILT_IN, *_registered]


def every() -> list[Family]:
    """One of every family."""
    return [_built_in(name) if name in BUILT_IN else _registered[name] for name in names()]


def _built_in(key: str) -> Family:
    module, cls = (BUILT_IN.get(key) or REGRESSED[key]).split(":")
    family: Family = getattr(import_module(f"mlefit.families.{module}"), cls)()
    return family


def _load_plugins() -> None:
    """Families that installed packages announce; one that fails is warned of and left out."""
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        try:
            register(entry.load())
        except (Exception, SystemExit) as error:  # whatever a stranger's module does must not stop the tool
            warnings.warn(f"plugin {entry.name!r} ({entry.value}) was left out: {error}", stacklevel=2)


def load_file(path: str) -> list[Family]:
    """Register every family that a Python file defines; those that cannot be are warned of and left out.

    Raises:
        UsageError: the file is missing, does not run, or defines no family.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"there is no plugin file {path}")
    spec = util.spec_from_file_location(f"mlefit_plugin_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file (its name must end in .py)")
    module = util.module_from_spec(spec)
    try:
        with redirect_stdout(sys.stderr):  # what it prints must not be taken for a result
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        where = f" line {error.lineno}" if isinstance(error, SyntaxError) and error.filename == str(file) else ""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(file):
                where = f" line {trace.tb_lineno}"
            trace = trace.tb_next
        raise UsageError(f"plugin {path}{where} does not run: {type(error).__name__}: {error}") from error
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Family) and value.__module__ == module.__name__
    ]
    if not found:
        raise UsageError(f"plugin {path} defines no subclass of mlefit.Family")
    sound: list[Family] = []
    for family in found:
        try:
            sound.append(register(family))
        except UsageError as error:
            if len(found) == 1:
                raise UsageError(f"plugin {path}: {error}") from error
            warnings.warn(f"plugin {path}: {error}", stacklevel=2)
    return sound

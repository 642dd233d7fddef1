"""Finds the plugins, validates them at the door, and turns selections into what they name.

The only importer of plugins. Built-ins are the modules of ``diffbench.methods``,
``diffbench.problems``, ``diffbench.reports`` and ``diffbench.studies``; third parties come by
the entry-point groups of the same names or by ``--plugin file.py``, with the same rights. A
module offers every ``Family``, ``Page`` and ``Study`` object and every method class it defines.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from diffbench.errors import BadSelection, BadSize, DiffbenchError, PluginError, UnknownName
from diffbench.method import CATEGORIES, CLAIMS, Method, variant_name
from diffbench.operators import OPERATORS
from diffbench.page import Page
from diffbench.problem import Family, Instance, Parameter
from diffbench.selection import Choice, parse, parse_values, split
from diffbench.study import Study

__all__ = ["PROFILES", "Registry", "discover", "offered"]

PROFILES = ("quick", "standard", "full")
FULL = PROFILES[-1]
FOLDERS = ("methods", "problems", "pages", "studies")
MODULES = {
    "methods": "diffbench.methods",
    "problems": "diffbench.problems",
    "pages": "diffbench.reports",
    "studies": "diffbench.studies",
}
DECLARED = (
    "name",
    "title",
    "category",
    "claim",
    "cost",
    "reference",
    "native",
    "nests",
    "parameters",
    "requires",
    "version",
)
METHODICAL = frozenset({"native", "why_not"})  # a class with one of these is meant as a method
NATIVE_FIRST_ORDER = frozenset({"jvp", "vjp", "gradient", "jacobian"})


@dataclass
class Registry:
    """All plugins by name; ``broken`` maps a module to why it was refused."""

    families: dict[str, Family] = field(default_factory=dict)
    method_types: dict[str, type[Any]] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    studies: dict[str, Study] = field(default_factory=dict)
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    # --- registration -------------------------------------------------------------------------

    def register(self, plugin: Any, origin: str) -> None:
        """Take one plugin in; raises PluginError that names it, its module and what is wrong."""
        kind, table = self._table(plugin)
        if isinstance(plugin, type):
            _check_method(plugin, origin)
        name = plugin.name
        if not isinstance(name, str) or not name or any(c in name for c in "[],|:="):
            raise PluginError(f"{origin}: {kind} name {name!r} must be a word without '[],|:='")
        if name in table:
            first = self.origins[kind, name]
            raise PluginError(f"{origin}: {kind} {name!r} is already registered by {first}")
        if isinstance(plugin, Family):
            self._check_family(plugin, origin)
        table[name] = plugin
        self.origins[kind, name] = origin

    def _table(self, plugin: Any) -> tuple[str, dict[str, Any]]:
        tables: tuple[tuple[type, str, dict[str, Any]], ...] = (
            (Family, "family", self.families),
            (Page, "page", self.pages),
            (Study, "study", self.studies),
        )
        for kind, name, table in tables:
            if isinstance(plugin, kind):
                return name, table
        return "method", self.method_types

    def _check_family(self, family: Family, origin: str) -> None:
        missing = [p for p in PROFILES if p not in family.sizes]
        if missing:
            raise PluginError(
                f"{origin}: family {family.name!r} declares no sizes for {', '.join(missing)}"
            )
        for key, row in family.parameters.items():
            _check_default(f"{origin}: family {family.name!r}", key, row)
        for profile in PROFILES:
            for point in Choice(family.name, _sizes(family, profile)).points():
                family.parameter_values(point)

    def load(self, module: ModuleType, origin: str) -> None:
        """Register all that a module defines; a mistake is kept in ``broken``, nothing raised."""
        for plugin in _plugins(module):
            try:
                self.register(plugin, origin)
            except Exception as error:
                self.broken[origin] = _reason(error, origin)

    def load_guarded(self, origin: str, importer: Any, owes: bool = False) -> None:
        """Import by ``importer()`` and register; whatever it raises is kept in ``broken``.

        A module that ``owes`` a plugin is refused where it offers none.
        """
        try:
            module = importer()
        except (Exception, SystemExit) as error:
            self.broken[origin] = _reason(error, origin)
            return
        if owes and not _plugins(module):
            self.broken[origin] = "it defines no method, family, page or study"
        self.load(module, origin)

    def sound(self) -> Registry:
        """Itself; raises PluginError where one of the ``files`` that were named is refused."""
        for path in self.files:
            if path in self.broken:
                raise PluginError(
                    f"plugin {path} is refused: {self.broken[path]}; mend it, or leave it out"
                )
        return self

    # --- selections ---------------------------------------------------------------------------

    def family(self, name: str) -> Family:
        """The family of that name; UnknownName with the nearest match."""
        family: Family = _named(self.families, "family", name, self.broken)
        return family

    def instances(
        self, selection: str = "all", profile: str = "standard", seed: int = 0
    ) -> list[Instance]:
        """The instances that a selection names, small sizes first, each once."""
        found: dict[str, Instance] = {}
        for name, params in self.points(selection, profile):
            instance = self.family(name).instance(params, seed)
            found.setdefault(instance.name, instance)
        return sorted(found.values(), key=lambda i: (i.n * i.m * i.depth, i.family))

    def points(self, selection: str, profile: str) -> list[tuple[str, dict[str, Any]]]:
        """(family name, all its parameters) of a selection, each once; nothing is built."""
        found: dict[tuple[Any, ...], tuple[str, dict[str, Any]]] = {}
        for choice in self._expanded(selection, self.families, "family"):
            family = self.family(choice.name)
            values = choice.values or _sizes(family, profile)
            for point in Choice(choice.name, dict(values)).points():
                params = family.parameter_values(point)
                found.setdefault((family.name, *sorted(params.items())), (family.name, params))
        return list(found.values())

    def left_out(self, selection: str, profile: str) -> dict[str, dict[str, Any]]:
        """By family whose sizes the profile chooses: both selections, how many more full has."""
        found = {}
        for choice in self._expanded(selection, self.families, "family"):
            if not choice.values:
                mine, full = (self.family(choice.name).sizes[p] for p in (profile, FULL))
                taken = self.points(choice.name, profile)
                more = sum(point not in taken for point in self.points(choice.name, FULL))
                if more:
                    found[choice.name] = {"sizes": mine, "full": full, "more": more}
        return found

    def located(self, selection: str) -> str:
        """The selection with every data file named by path and content; each is read once.

        So the text means the same in any folder. Raises BadData where a file cannot be used.
        """
        return ",".join(self._located(item, *parse(item)) for item in split(selection))

    def _located(self, item: str, choice: Choice) -> str:
        family = self.families.get(choice.name)
        files = {key for key, row in family.parameters.items() if row.columns} if family else set()
        if family is None or files.isdisjoint(choice.values):
            return item
        found = {key: list(values) for key, values in choice.values.items()}
        for key in files & found.keys():
            check = family.parameters[key].check
            found[key] = [check(family.name, key, value) for value in found[key]]
            for value in found[key]:
                family.tables({key: value})
        body = ",".join(f"{key}={'|'.join(map(str, values))}" for key, values in found.items())
        return f"{choice.name}[{body}]"

    def methods(self, selection: str = "all") -> list[Method]:
        """The method variants that a selection names; an omitted parameter means all its values."""
        found: dict[str, Method] = {}
        for choice in self._expanded(selection, self.method_types, "method"):
            kind = _named(self.method_types, "method", choice.name, self.broken)
            for method in _variants(kind, choice):
                found.setdefault(variant_name(method), method)
        return list(found.values())

    def operators(self, selection: str = "all") -> list[str]:
        """The operators that a selection names, in the order of the table."""
        names = set()
        for choice in self._expanded(selection, OPERATORS, "operator"):
            if choice.name not in OPERATORS:
                raise UnknownName("operator", choice.name, OPERATORS)
            if choice.values:
                raise BadSelection(f"operator {choice.name!r} takes no parameters; leave out [...]")
            names.add(choice.name)
        return [name for name in OPERATORS if name in names]

    def _expanded(self, selection: str, table: Mapping[str, Any], kind: str) -> Iterable[Choice]:
        for choice in parse(selection):
            if choice.name != "all":
                yield choice
            elif choice.values:
                raise BadSelection(
                    f"selection {selection!r}: 'all' takes no parameters; name the {kind}"
                )
            else:
                yield from (Choice(name, {}) for name in table)


def _sizes(family: Family, profile: str) -> dict[str, tuple[Any, ...]]:
    return parse_values(family.sizes[profile], f"{family.name}[{family.sizes[profile]}]")


def _variants(kind: type[Any], choice: Choice) -> list[Method]:
    for key, values in choice.values.items():
        if key not in kind.parameters:
            accepted = ", ".join(kind.parameters) or "none"
            raise BadSelection(
                f"method {kind.name!r} has no parameter {key!r} (it has: {accepted})"
            )
        for value in values:
            if value not in kind.parameters[key]:
                accepted = "|".join(map(str, kind.parameters[key]))
                raise BadSelection(
                    f"method {kind.name!r}: {key}={value} is not one of {key}={accepted}"
                )
    wanted = {key: choice.values.get(key, declared) for key, declared in kind.parameters.items()}
    return [kind(**point) for point in Choice(choice.name, wanted).points()]


def _named(table: Mapping[str, Any], kind: str, name: str, broken: Mapping[str, str]) -> Any:
    if name not in table:
        refused = "; ".join(f"{origin}: {reason}" for origin, reason in broken.items())
        raise UnknownName(kind, name, table, f"refused plugins: {refused}" if refused else "")
    return table[name]


def _reason(error: BaseException, origin: str) -> str:
    """Why a plugin is refused: its error, that names no origin; whoever tells it does."""
    if isinstance(error, DiffbenchError):
        return str(error).removeprefix(origin).removeprefix(":").strip()
    return f"{type(error).__name__}: {error}"


def _plugins(module: ModuleType) -> list[Any]:
    return [p for p in vars(module).values() if _is_plugin(p, module)]


def _is_plugin(thing: Any, module: ModuleType) -> bool:
    if isinstance(thing, Family | Page | Study):
        return True
    return (
        inspect.isclass(thing)
        and thing.__module__ == module.__name__
        and not METHODICAL.isdisjoint(vars(thing))
    )


def _check_default(who: str, key: str, row: Parameter) -> None:
    """A default that its own parameter refuses would be what every other error advises."""
    if row.columns is None:
        try:
            row.check(who, key, row.default)
        except BadSize as error:
            raise PluginError(
                f"{who}: {key}={row.default} is the default, and the Parameter itself refuses it; "
                f"give one in its range, a number, or choices= with the words that it may be"
            ) from error


def _check_method(kind: type[Any], origin: str) -> None:
    who = f"{origin}: method {getattr(kind, 'name', kind.__name__)!r}"
    missing = [key for key in DECLARED if key not in vars(kind)]
    missing += [f"{key}()" for key in ("why_not", "build") if not callable(vars(kind).get(key))]
    if missing:
        raise PluginError(
            f"{who} lacks {', '.join(missing)}; diffbench/method.py says what each is"
        )
    if kind.claim not in CLAIMS or kind.category not in CATEGORIES:
        raise PluginError(f"{who}: claim must be one of {CLAIMS}, category one of {CATEGORIES}")
    unknown = set(kind.native) - set(OPERATORS)
    if unknown or not set(kind.native) & NATIVE_FIRST_ORDER:
        raise PluginError(
            f"{who}: native must hold at least one of {', '.join(sorted(NATIVE_FIRST_ORDER))}"
            f"{f', and {sorted(unknown)} are no operators' if unknown else ''}"
        )


# --- discovery --------------------------------------------------------------------------------


def discover(plugins: Iterable[str] = (), kinds: Iterable[str] = FOLDERS) -> Registry:
    """The registry of the built-ins, the installed third parties and the given plugin files."""
    registry = Registry(files=tuple(str(Path(p).resolve()) for p in plugins))
    for kind in kinds:
        package = importlib.import_module(MODULES[kind])
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
            name = f"{package.__name__}.{info.name}"
            registry.load_guarded(name, lambda name=name: importlib.import_module(name))
        for entry in importlib.metadata.entry_points(group=f"diffbench.{kind}"):
            registry.load_guarded(f"{entry.name} ({entry.value})", entry.load)
    for path in registry.files:
        registry.load_guarded(path, lambda path=path: _import_file(path), owes=True)
    return registry


def offered(path: str) -> list[Any]:
    """The plugins of a file, in no registry yet; PluginError where it cannot be imported."""
    try:
        return _plugins(_import_file(path))
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error


def _import_file(path: str) -> ModuleType:
    name = f"diffbench_plugin_{Path(path).stem}"
    if not Path(path).is_file():
        raise PluginError(f"{path}: no such file; give the path of a Python file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: no Python file; give the path of a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

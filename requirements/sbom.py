"""`make sbom`: a bill of materials in CycloneDX 1.6 of what a user runs, the extras and the page's scripts too.

Versions are those of the locks; licences and who needs whom come from the installed packages' own metadata, so it runs
where all extras are installed. A part that only an extra needs is `optional`, and says of which. It is held to
CycloneDX's own schema before it is written, and holds no address of a package index.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ("runtime.txt", "dev.txt", "kerberos.txt", "opentelemetry.txt")
VENDORED = ROOT / "daemon" / "web" / "ui" / "static" / "vendored.json"
NAMESPACE = uuid.UUID("6a1d0a35-5c5e-4b0e-9d0e-0d5a3c6d7e10")


def main() -> None:
    """Write it to the file named on the command line."""
    (target,) = sys.argv[1:]
    text = written(bill())
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        sys.exit(f"this is no CycloneDX 1.6: {wrong}")
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(text, encoding="utf-8")
    print(f"{target}: {len(json.loads(text)['components'])} components")


def bill() -> Bom:
    """The whole of it; the same tree gives the same serial number."""
    bom, pins = Bom(), pinned()
    own = Component(
        name="sitebind", version=PROJECT["version"], type=ComponentType.APPLICATION, bom_ref="sitebind",
        licenses=[LicenseFactory().make_from_string(PROJECT["license"])],
        purl=PackageURL("pypi", name="sitebind", version=PROJECT["version"]),
    )  # fmt: skip
    bom.metadata.component = own
    always, parts = needed(PROJECT["dependencies"]), {}
    extras = {extra: needed(wanted) for extra, wanted in PROJECT["optional-dependencies"].items()}
    for name in sorted(always.union(*extras.values())):
        only = [extra for extra, names in extras.items() if name in names] if name not in always else []
        parts[name] = component(distribution(name), pins[name], only=only)
    direct = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]}
    scripts = [script(**one) for one in json.loads(VENDORED.read_text(encoding="utf-8"))]
    for part in (*parts.values(), *scripts):
        bom.components.add(part)
    bom.register_dependency(own, [*(parts[name] for name in sorted(direct)), *scripts])
    for name, part in parts.items():
        bom.register_dependency(part, [parts[other] for other in sorted(wants(name)) if other in parts])
    bom.serial_number = uuid.uuid5(NAMESPACE, "\n".join(f"{c.purl}" for c in (own, *parts.values(), *scripts)))
    return bom


def pinned() -> dict[str, str]:
    """Every locked version by name. The lists agree with each other; a test holds them to it."""
    text = "\n".join((ROOT / "requirements" / name).read_text(encoding="utf-8") for name in LOCKS)
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def needed(wanted: Iterable[str]) -> set[str]:
    """The names of what is wanted and of all that it needs on this platform."""
    found: set[str] = set()
    waiting = [Requirement(one) for one in wanted]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        found.add(name)
        more = wanted_by(distribution(name), one.extras)
        waiting += [other for other in more if canonicalize_name(other.name) not in found]
    return found


def wants(name: str) -> set[str]:
    """What a package needs itself."""
    return {canonicalize_name(one.name) for one in wanted_by(distribution(name), set())}


def wanted_by(package: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    """What a package needs itself, with those extras of its own."""
    for text in package.requires or ():
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


def component(package: Distribution, version: str, *, only: list[str]) -> Component:
    """A package. Raises SystemExit where another version than the locked one is installed."""
    name = canonicalize_name(package.metadata["Name"])
    if package.version != version:
        sys.exit(f"{name} {package.version} is installed, and {version} is locked: run make lock, or remove .venv")
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("pypi", name=name, version=version),
        description=package.metadata.get("Summary"),
        licenses=[LicenseFactory().make_from_string(licence_of(package))],
        scope=ComponentScope.OPTIONAL if only else ComponentScope.REQUIRED,
        properties=[Property(name="sitebind:extra", value=extra) for extra in only],
    )


def script(*, file: str, package: str, version: str, licence: str, sha256: str, **_: Any) -> Component:
    """A file that the page brings along."""
    group, _, name = package.rpartition("/")
    return Component(
        name=name, group=group or None, version=version, type=ComponentType.LIBRARY, bom_ref=f"{package}@{version}",
        purl=PackageURL("npm", namespace=group or None, name=name, version=version),
        licenses=[LicenseFactory().make_from_string(licence)], scope=ComponentScope.REQUIRED,
        properties=[Property(name="sitebind:file", value=f"daemon/web/ui/static/{file}")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )  # fmt: skip


CLASSIFIERS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""The spellings of packages that give no SPDX expression yet."""


def licence_of(package: Distribution) -> str:
    """Its SPDX expression, or what its classifiers come to. Raises SystemExit where it says nothing."""
    said = package.metadata.get("License-Expression")
    if said:
        return str(said)
    every = package.metadata.get_all("Classifier", ())
    classifiers = [one.rpartition(" :: ")[2] for one in every if one.startswith("License ::")]
    known = [CLASSIFIERS[one] for one in classifiers if one in CLASSIFIERS]
    short = (package.metadata.get("License") or "").strip()
    if known:
        return " OR ".join(dict.fromkeys(known))
    if short and "\n" not in short:
        return CLASSIFIERS.get(short, short)
    sys.exit(f"{package.metadata['Name']} says no licence that is understood: {classifiers} {short[:60]!r}")


def written(bom: Bom) -> str:
    """The document."""
    return JsonV1Dot6(bom).output_as_string(indent=2)


if __name__ == "__main__":
    main()

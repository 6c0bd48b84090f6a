"""Manifests as YAML text."""

import shlex
from typing import Any

import yaml

from smt_model.k8s.manifests import MANIFESTS
from smt_model.k8s.options import ManifestOptions


class _Dumper(yaml.SafeDumper):
    """Writes each object in full, and lists below their keys."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that an object that is there twice is written twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the entries of a list, too."""
        super().increase_indent(flow, indentless=False)


def render(options: ManifestOptions) -> str:
    """Return a manifest as YAML, documents divided by ``---``, below the command that makes it."""
    documents = [
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000)
        for document in MANIFESTS[options.kind](options)
    ]
    return f"# {command(options)}\n" + "---\n".join(documents)


def command(options: ManifestOptions) -> str:
    """Return the shortest command line that gives these options."""
    words = ["smt", "k8s", "render"]
    for name, field in ManifestOptions.model_fields.items():
        value = getattr(options, name)
        if name != "arguments" and value != field.default:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    if options.arguments:
        words += ["--", *options.arguments]
    return shlex.join(words)

"""Bad settings: Hydra's and OmegaConf's complaints as ours, with the key and how to mend it."""

from __future__ import annotations

from typing import Any

from hydra.errors import OverrideParseException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from robo_ts.errors import RoboTSError, did_you_mean


def to_object(node: DictConfig | ListConfig, prefix: str = "") -> Any:
    """Dataclasses from a config node; a dataclass's own complaint passes through, with its key.

    Args:
        node: the settings.
        prefix: what is written before the node's keys, such as ``training.``.
    """
    try:
        return OmegaConf.to_object(node)
    except RoboTSError as error:
        complaint = error
    except OmegaConfBaseException as error:
        if not isinstance(error.__cause__, RoboTSError):
            raise
        complaint = error.__cause__
    group = _complaining(node, prefix)
    if group.rpartition(".")[2] in complaint.expected:
        raise complaint
    raise RoboTSError(f"{group} with {complaint.expected}", complaint.got, complaint.fix)


def _complaining(node: Any, prefix: str) -> str:
    """The name of the innermost settings that cannot be built; empty when it is the whole."""
    for key, value in node.items():
        if isinstance(value, DictConfig):
            try:
                OmegaConf.to_object(value)
            except (RoboTSError, OmegaConfBaseException):
                return _complaining(value, f"{prefix}{key}.") or f"{prefix}{key}"
    return ""


def check_keys(node: DictConfig, schema: DictConfig) -> None:
    """Raise for a key that ``+`` or ``++`` added. Keys inside a plain dict are free."""
    known, free = flat_keys(schema), _free_keys(schema)
    for key in flat_keys(node):
        if key not in known and not key.startswith(free):
            raise RoboTSError("a known setting", repr(key), _near(key, known))


def flat_keys(node: Any, prefix: str = "") -> list[str]:
    """Dotted names of all settings, groups included."""
    keys = []
    for key, value in node.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, DictConfig):
            keys += flat_keys(value, f"{prefix}{key}.")
    return keys


def _free_keys(node: Any, prefix: str = "") -> tuple[str, ...]:
    """What the names of settings inside plain dicts begin with."""
    found: list[str] = []
    for key, value in node.items():
        if isinstance(value, DictConfig):
            name = f"{prefix}{key}."
            found += [name] if OmegaConf.get_type(value) is dict else _free_keys(value, name)
    return tuple(found)


def config_error(
    error: Exception, words: list[str], known: list[str], prefix: str = ""
) -> RoboTSError:
    """Hydra's complaint as ours: the offending key and its nearest neighbours.

    Args:
        error: the complaint.
        words: the words it is about.
        known: the names of all settings.
        prefix: what is written before the keys, such as ``training.``.
    """
    cause = error.__cause__ or error
    if isinstance(cause, RoboTSError):
        return cause
    key = f"{prefix}{getattr(cause, 'full_key', None) or ''}"
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return RoboTSError("a known setting", repr(key), _near(key, known))
    word = _blamed(words, key, known, error)
    name, _, value = word.lstrip("+").partition("=")
    if isinstance(error, OverrideParseException):
        fix = f"quote the value; in a shell \"{name}='{value}'\""
        return RoboTSError("settings in Hydra's grammar", repr(word), fix)
    if "@" in name:
        return RoboTSError("a known setting", repr(name), _near(name, known))
    said, listed, options = str(cause).partition("Available options")
    said = " ".join(said.split("full_key")[0].split())
    if listed:
        names = [line.strip() for line in options.splitlines()[1:]]
        names = names[: names.index("Config search path:")]
        return RoboTSError(
            f"{name} among {', '.join(names)}", repr(value), did_you_mean(value, names)
        )
    where = key if getattr(cause, "full_key", None) else name
    return RoboTSError(
        f"a value of {where} that fits its type" if where else "settings that fit their types",
        said,
        f"look at {word!r} again" if word else f"look at {where} again",
    )


def _blamed(words: list[str], key: str, known: list[str], error: Exception) -> str:
    """The word a complaint is about; empty when that cannot be told."""
    if isinstance(error, OverrideParseException):
        return error.override
    said = str(error)
    for word in words:
        name, _, value = word.partition("=")
        name = name.lstrip("+~")
        if name == key or f"find '{name}/" in said or f"override '{name}'" in said:
            return word
        is_group = any(other.startswith(f"{name}.") for other in known) and "." not in name
        odd = value in ("null", "true", "false") or not value.isidentifier()
        if f"at '{name}'" in said or ("group override" in said and is_group and odd):
            return word
    return ""


def _near(key: str, known: list[str]) -> str:
    """Close names; otherwise all names beside the unknown one."""
    close = did_you_mean(key, known)
    if not close.startswith("choose"):
        return close
    group, dot, _ = key.rpartition(".")
    siblings = [k for k in known if k.rpartition(".")[0] == group] if dot else []
    siblings = siblings or [k for k in known if "." not in k]
    return f"choose one of: {', '.join(sorted(siblings))}"

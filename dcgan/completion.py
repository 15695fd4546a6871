"""Completion for shells: scripts for bash, zsh and fish that know the options of every command, and their values.

    python -m dcgan --completion bash > ~/.dcgan.bash         and in ~/.bashrc: source ~/.dcgan.bash

A script is made from the parsers of the commands, and completes `dcgan-train` and `python -m dcgan.train` alike.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import NamedTuple

from dcgan.config import Config
from dcgan.generate_options import CHECKED, MODES
from dcgan.options import Word
from dcgan.presets import PRESETS

PATHS = re.compile("PATH|FILE|DIR|RUN|FOLDER|PICTURE")  # metavars of paths
PYTHONS = ("python", "python3")
OWN_WORDS = {"preset": tuple(PRESETS), "presets": tuple(PRESETS), "mode": tuple(MODES)}  # of options beside Config's


class Option(NamedTuple):
    """An option, or a positional argument ("")."""

    names: tuple[str, ...]  # such as --flip and --no-flip
    help: str
    takes_value: bool
    words: tuple[str, ...]  # the values that it takes; () if they are not known
    path: bool  # whether a value is a path


def script(shell: str, commands: Sequence[str]) -> str:
    """Return the script of a shell for these commands, such as ("train", "generate")."""
    return SHELLS[shell]({name: list(options_of(import_module(f"dcgan.{name}").parser())) for name in commands})


def options_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    """Yield what a parser takes."""
    for action in parser._actions:
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        help, value = (action.help or "").replace("%%", "%"), action.nargs != 0
        yield Option(
            tuple(action.option_strings), help, value, words_of(action.dest), PATHS.search(metavar) is not None
        )


def words_of(name: str) -> tuple[str, ...]:
    """Return the words that an option takes, by the name of its field; () if it takes other values."""
    if name in OWN_WORDS:
        return OWN_WORDS[name]
    field = Config.__dataclass_fields__.get(name)
    kind = field.metadata["kind"] if field else CHECKED.get(name)
    return kind.names if isinstance(kind, Word) else ()


Commands = dict[str, list[Option]]

BASH = """\
# bash: completes the commands of dcgan
_dcgan() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="" word options=""
    [[ $before == = ]] && before="${{COMP_WORDS[COMP_CWORD-2]}}"  # bash cuts --preset=paper at the =
    [[ $current == = ]] && current=""
    before="${{before##*/}}" COMPREPLY=()
    for word in "${{COMP_WORDS[@]:0:COMP_CWORD}}"; do
        case "${{word##*/}}" in
            dcgan-*) command="${{word##*dcgan-}}" ;;
            dcgan.*) command="${{word##*dcgan.}}" ;;
        esac
    done
    if [[ -z $command && $before == -m ]]; then
        COMPREPLY=($(compgen -W "{modules}" -- "$current"))
        return
    fi
    case "$command" in
{commands}
    esac
    [[ $current == -* ]] && COMPREPLY=($(compgen -W "$options" -- "$current"))
}}
complete -o bashdefault -o default -F _dcgan {programs}
"""
BASH_COMMAND = """\
        {name})
            options="{options}"
            case "$before" in
{values}
            esac ;;"""
BASH_VALUE = """\
                {names}) COMPREPLY=($(compgen -W "{words}" -- "$current")); return ;;"""


def bash(commands: Commands) -> str:
    """Return bash's script: options behind a dash, known words behind an option, files everywhere else."""
    cases = []
    for name, options in commands.items():
        known = [option for option in options if option.names and option.words]
        values = [BASH_VALUE.format(names="|".join(o.names), words=" ".join(o.words)) for o in known]
        place = f"dcgan-{name}|dcgan.{name}"  # what stands before a positional argument
        values += [BASH_VALUE.format(names=place, words=" ".join(o.words)) for o in options if not o.names and o.words]
        own = " ".join(name for option in options for name in option.names)
        cases.append(BASH_COMMAND.format(name=name, options=own, values="\n".join(values)))
    modules, programs = (" ".join(named) for named in (_modules(commands), _programs(commands)))
    return BASH.format(commands="\n".join(cases), modules=modules, programs=programs)


ZSH = """\
# zsh: completes the commands of dcgan; belongs behind compinit
{functions}
_dcgan_python() {{
    if [[ $words[2] == -m && $words[3] == dcgan.* && CURRENT -gt 3 ]]; then
        local command=$words[3]
        words=($command "${{(@)words[4,-1]}}")
        (( CURRENT -= 2 ))
        (( $+functions[_${{command/./_}}] )) && _${{command/./_}}
    elif [[ $words[2] == -m && CURRENT -eq 3 ]]; then
        compadd -- {modules}
    else
        _files
    fi
}}
{registrations}
compdef _dcgan_python {pythons}
"""


def zsh(commands: Commands) -> str:
    """Return zsh's script, with the help of every option beside it."""
    functions = []
    for name, options in commands.items():
        specs = [_zsh_quoted(spec) for option in options for spec in _zsh_specs(option)]
        functions.append("\n".join([f"_dcgan_{name}() {{", "    _arguments \\", *_continued(specs), "}"]))
    return ZSH.format(
        functions="\n".join(functions),
        modules=" ".join(_modules(commands)),
        registrations="\n".join(f"compdef _dcgan_{name} dcgan-{name}" for name in commands),
        pythons=" ".join(PYTHONS),
    )


def _zsh_specs(option: Option) -> Iterator[str]:
    """Yield what _arguments takes, such as --lr=[learning rate]:value: , which is also --lr 1."""
    values = f"({' '.join(option.words)})" if option.words else "_files" if option.path else " "
    help = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    if not option.names:
        yield f"*:argument:{values}"
    for name in option.names:
        yield f"{name}=[{help}]:value:{values}" if option.takes_value else f"{name}[{help}]"


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _continued(lines: Sequence[str]) -> list[str]:
    """Return lines of one command: all but the last end with a backslash."""
    return [f"        {line}" + (" \\" if number < len(lines) else "") for number, line in enumerate(lines, 1)]


def fish(commands: Commands) -> str:
    """Return fish's script: a line for each option of each command, once for each way to start the command."""
    lines = ["# fish: completes the commands of dcgan"]
    modules = " ".join(_modules(commands))
    for python in PYTHONS:
        lines.append(f"complete -c {python} -n 'test (commandline -opc)[-1] = -m' -x -a '{modules}'")
    for name, options in commands.items():
        places = [f"-c dcgan-{name}"]
        places += [f"-c {python} -n 'contains -- dcgan.{name} (commandline -opc)'" for python in PYTHONS]
        lines += [f"complete {place} {line}" for place in places for option in options for line in _fish_lines(option)]
    return "\n".join(lines) + "\n"


def _fish_lines(option: Option) -> Iterator[str]:
    help = " -d '" + option.help.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if not option.names and option.words:
        yield f"-a '{' '.join(option.words)}'{help}"
    for name in option.names:
        form = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
        if option.takes_value:
            form += f" -x -a '{' '.join(option.words)}'" if option.words else " -r" if option.path else " -x"
        yield form + help


def _modules(commands: Commands) -> list[str]:
    return [f"dcgan.{name}" for name in commands]


def _programs(commands: Commands) -> list[str]:
    return [*(f"dcgan-{name}" for name in commands), *PYTHONS]


SHELLS: dict[str, Callable[[Commands], str]] = {"bash": bash, "zsh": zsh, "fish": fish}

"""Installs the libraries of `steps.py` from their registries: PyPI, crates.io and npm."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Missing(Exception):
    """A library cannot be had here; says why."""


def call(what, command, directory=HERE):
    if shutil.which(command[0]) is None:
        raise Missing(f"{command[0]} is not installed")
    print(f"installing {what}: {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = next((line for line in reversed(done.stdout.splitlines()) if "rror" in line), "no message")
        raise Missing(f"{what} cannot be installed: {last.strip()[:200]}")


def python(folder, packages):
    """The interpreter of a virtual environment with these packages, which is made if it is not there."""
    venv = os.path.join(folder, "venv")
    interpreter = os.path.join(venv, "Scripts" if os.name == "nt" else "bin", "python")
    if not os.path.exists(interpreter):
        call("a virtual environment", [sys.executable, "-m", "venv", venv])
    call("packages of Python", [interpreter, "-m", "pip", "install", "--quiet", "-r", os.path.join(HERE, packages)])
    return interpreter


def burn(folder):
    """The program of `burn/`, which cargo builds."""
    target = os.path.join(folder, "burn")
    crate = os.path.join(HERE, "burn")
    call("burn", ["cargo", "build", "--release", "--locked", "--target-dir", target], crate)
    return os.path.join(target, "release", "peers-burn")


def tfjs(folder):
    """The script of `tfjs/`, copied to where npm may install beside it."""
    copy = os.path.join(folder, "tfjs")
    os.makedirs(copy, exist_ok=True)
    for file in ("package.json", "package-lock.json", "worker.mjs"):
        shutil.copy(os.path.join(HERE, "tfjs", file), copy)
    call("TensorFlow.js", ["npm", "ci", "--no-audit", "--no-fund"], copy)
    return os.path.join(copy, "worker.mjs")

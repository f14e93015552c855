"""Looks up known vulnerabilities of all that is installed; says so where they cannot be looked up.

Ends with 1 if there is one. pip-audit lives in an environment of its own: it needs a dozen packages
that nobody else does.
"""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PLACE = Path(sys.prefix) / "audit"


def main() -> int:
    """Return the exit code."""
    if not (PLACE / "bin" / "pip-audit").exists():
        venv.create(PLACE, with_pip=True)
        install = [PLACE / "bin" / "python", "-m", "pip", "install", "-qq", "pip-audit"]
        if subprocess.run(install, check=False).returncode:
            return not_done("pip-audit cannot be installed")
    found = subprocess.run(
        [
            *(PLACE / "bin" / "pip-audit", "--path", sysconfig.get_path("purelib")),
            *("--skip-editable", "--format", "json", "--progress-spinner", "off"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        packages = json.loads(found.stdout)["dependencies"]
    except (ValueError, KeyError):
        return not_done((found.stderr.strip().splitlines() or ["pip-audit says nothing"])[-1])
    looked_up = [package for package in packages if "skip_reason" not in package]
    if not looked_up:
        return not_done("the index of vulnerabilities is not reached")
    vulnerable = [package for package in looked_up if package["vulns"]]
    print(f"audit: {len(looked_up)} of {len(packages)} packages looked up")
    for package in vulnerable:
        names = ", ".join(vulnerability["id"] for vulnerability in package["vulns"])
        print(f"audit: {package['name']} {package['version']} has {names}")
    return 1 if vulnerable else 0


def not_done(why: str) -> int:
    """Say so, and go on: a machine without the index can still test."""
    print(f"audit: NOT DONE: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

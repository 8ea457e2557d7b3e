# SPDX-License-Identifier: BSD-2-Clause
"""The libraries of test/helpers, which stand between a server and libc."""
import os
import subprocess

from .server import ROOT, build_dir


def helper(name):
    """Path of test/helpers/NAME.c as a library for LD_PRELOAD, built when it is not there."""
    library = os.path.join(build_dir(), "test", "helpers", name + ".so")
    source = os.path.join(ROOT, "test", "helpers", name + ".c")
    if not os.path.exists(library) or os.path.getmtime(library) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(library), exist_ok=True)
        fresh = "%s.%d" % (library, os.getpid())
        subprocess.run(["gcc", "-std=gnu2x", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", fresh, source,
                        "-ldl"], check=True)
        os.rename(fresh, library)
    return library

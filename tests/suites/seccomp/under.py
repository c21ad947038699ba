"""Runs a command under a seccomp profile as Kubernetes has it, by libseccomp.
usage: under.py PROFILE [--forbid NAME,NAME] -- COMMAND…    --forbid: these calls fail with EPERM, as in a container runtime's
own profile"""
import ctypes
import json
import os
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EPERM = 1

profile, *rest = sys.argv[1:]
options, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
forbidden = set(options[1].split(",")) if options else set()
with open(profile, encoding="utf-8") as f:
    wanted = json.load(f)
library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
library.seccomp_init.restype = ctypes.c_void_p
library.seccomp_init.argtypes = [ctypes.c_uint32]
library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
library.seccomp_load.argtypes = [ctypes.c_void_p]


def checked(result, what):
    if result < 0:
        sys.exit(f"{what}: {os.strerror(-result)}")


if wanted["defaultAction"] != "SCMP_ACT_ERRNO" or any(rule["action"] != "SCMP_ACT_ALLOW" for rule in wanted["syscalls"]):
    sys.exit(f"{profile}: only SCMP_ACT_ALLOW on SCMP_ACT_ERRNO is understood here")
filters = library.seccomp_init(ERRNO | wanted["defaultErrnoRet"])
for name in (name for rule in wanted["syscalls"] for name in rule["names"]):
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:
        sys.exit(f"{profile}: there is no system call {name}")
    # Less than -1: other architectures have it.
    if number >= 0:
        action = ERRNO | EPERM if name in forbidden else ALLOW
        checked(library.seccomp_rule_add(filters, action, number, 0), name)
checked(library.seccomp_load(filters), "seccomp_load")
os.execv(command[0], command)

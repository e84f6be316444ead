"""Runs a program for which the kernel has no IPv6: its sockets of that family are refused with EAFNOSUPPORT.

usage: no_ipv6.py PROGRAM ARGUMENT…
"""
import ctypes
import os
import platform
import struct
import sys

AF_INET6, EAFNOSUPPORT = 10, 97
SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def step(code, true, false, value):
    return struct.pack("HBBI", code, true, false, value)


# struct seccomp_data: the call's number, then at 16 its first argument.
PROGRAM = (
    step(LOAD, 0, 0, 0)
    + step(JUMP_EQUAL, 0, 3, SOCKET)
    + step(LOAD, 0, 0, 16)
    + step(JUMP_EQUAL, 0, 1, AF_INET6)
    + step(RETURN, 0, 0, ERRNO | EAFNOSUPPORT)
    + step(RETURN, 0, 0, ALLOW)
)


class Filter(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
wanted = Filter(len(PROGRAM) // 8, PROGRAM)
for call in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(wanted), 0, 0)]:
    if libc.prctl(*call) != 0:
        sys.exit(f"no_ipv6: prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])

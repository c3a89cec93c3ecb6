"""Run a command like the units in deploy/systemd: without new privileges, capabilities or executable memory mappings.

It uses prctl(PR_SET_MDWE), the kernel's equivalent (6.3 or newer) of MemoryDenyWriteExecute=.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 38, 65, 1

libc = ctypes.CDLL(None, use_errno=True)
for option, value in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)):
    if libc.prctl(option, value, 0, 0, 0) != 0:
        sys.exit(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])

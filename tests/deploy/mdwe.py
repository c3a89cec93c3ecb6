"""Runs a command as the units in deploy/systemd would: without new rights, capabilities, or memory that is made executable.

The kernel's own way, from 6.3 on, of what MemoryDenyWriteExecute= asks for: prctl(PR_SET_MDWE).
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

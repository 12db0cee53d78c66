"""The first moment of a server process: take its lock, shed root, become the server.

Run by path in an isolated interpreter, so it imports nothing but the standard library, and little of that:

    python -I -S launcher.py STARTER LOCK WAY UID GID FOLDER PROGRAM [ARGUMENT ...]

STARTER is the pid that must still be our parent, LOCK the file whose lock lives as long as the server ("-":
none), WAY one of own, namespace, account. FOLDER is entered last, as the one who will have to live in it.
"""

import fcntl
import os
import sys
import time

LOCKED_ELSEWHERE = 75  # EX_TEMPFAIL
CLONE_NEWUSER = 0x10000000
LOCK_SECONDS = 1.0


def take_lock(path: str) -> bool:
    """Lock the file for the server to inherit. Others only look at it for a moment, so try for a moment."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        else:
            os.set_inheritable(fd, True)  # noqa: FBT003
            return True


def enter_namespace(uid: int, gid: int) -> None:
    """Be `uid` in a user namespace of our own, while outside nothing changes (user_namespaces(7)).

    PostgreSQL asks only for a uid other than 0. Outside we remain the owner of our files, so no folder has to
    be opened to anybody, and the privileges of root over other people's files are gone with the exec.
    """
    import ctypes  # noqa: PLC0415 (a third of the start of this process, wanted here only)

    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    # setgroups must be given up before a process without rights outside may map its group.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 (pathlib would double the time to start)
            file.write(line)


def drop_to(uid: int, gid: int) -> None:
    """Be this account for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(argv: list[str]) -> None:
    """Become the program, or exit."""
    starter, lock, way, uid, gid, folder, *program = argv
    if lock != "-" and not take_lock(lock):
        sys.exit(LOCKED_ELSEWHERE)
    if os.getppid() != int(starter):  # It was killed, and whoever comes after it starts servers of its own.
        sys.exit(LOCKED_ELSEWHERE)
    if way == "namespace":
        enter_namespace(int(uid), int(gid))
    elif way == "account":
        drop_to(int(uid), int(gid))
    os.chdir(folder)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, AttributeError) as error:  # AttributeError: a C library without unshare
        sys.exit(f"launcher: {error}")

"""Why a server cannot listen, and what to do about it."""

import errno
import socket


def explained(error: OSError, host: str, port: int) -> str:
    """What is wrong with this address, in one line."""
    if isinstance(error, socket.gaierror):
        return f"--host {host} cannot be resolved: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: stop what listens there, or let --port 0 find one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine"
    if error.errno == errno.EACCES:
        return f"port {port} of {host} needs more rights: take one above 1023, or --port 0"
    return str(error)

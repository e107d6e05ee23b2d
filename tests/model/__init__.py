"""A scripted model behind the HTTP APIs of several providers, on a loopback socket."""

from tests.model.script import ANSWER
from tests.model.server import FakeModel

__all__ = ["ANSWER", "FakeModel"]

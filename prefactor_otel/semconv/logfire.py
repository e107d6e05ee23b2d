"""Keys of Logfire that say what a span is, whoever made it."""

from typing import Final

TEMPLATE: Final = "logfire.msg_template"
"""What the span's name is made of; on every span that Logfire makes."""
MESSAGE: Final = "logfire.msg"
"""The same with its values filled in."""

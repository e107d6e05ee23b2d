"""What the agents of all frameworks have in common: a tool, and what they are told."""

from typing import Final

MODEL: Final = "gpt-4o-mini"
INSTRUCTIONS: Final = "You are a weather assistant."


def question(city: str) -> str:
    """What a person asks."""
    return f"What is the weather in {city}?"


def get_weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: the name of the city
    """
    if city != "Paris":
        raise LookupError(f"no weather station in {city}")
    return f"sunny, 21C in {city}"

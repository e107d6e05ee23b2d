"""Values as JSON that the API accepts: repaired, bounded, encoded."""

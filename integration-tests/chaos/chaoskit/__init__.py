"""Break everything a set of dispatchers stands on, by a plan that a seed decides, and judge what is left."""

"""The suite. Being a package keeps `tests.states` apart from `states`."""

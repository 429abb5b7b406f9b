"""The embedded default: a stand-in performer, fictional characters, their looks, a show."""

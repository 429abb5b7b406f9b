"""The stage window: what the audience sees, in a process of its own that outlives the operator's for half a minute."""

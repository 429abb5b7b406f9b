"""From a checkpoint to the stage: the frozen model, its session, and the offline verbs that make and judge it."""

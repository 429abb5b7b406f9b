"""Scripts that make the demo's assets; never imported while performing. Run by hand; they need the extra `train`.

    python -m live.demo_training.make_looks WORK_FOLDER [NAME...] [--minutes 40]     -> live/demo/looks/
    python -m live.demo_training.make_voices WORK_FOLDER SPEECH_FOLDER               -> live/demo/voices/
    python -m live.demo_training.characters.footage NAME OUT.mp4                     a character's footage alone

`characters` draws the fictional performers that the looks are trained on.
"""

"""Random shows, frozen models and media, drawn by a seed, through the program's real readers, loaders and verbs.

    pytest -m slow tests/fuzz -s --fuzz-seed 7 --fuzz-shows 100000

A process of its own reads them (`worker.py`), so that one that hangs, dies or takes all memory is a finding and not the
end of the test. The seed is printed; an item is drawn from it and its number alone, so that a finding comes again.
"""

"""The recipe of the adapter: teaches a projector and changes of low rank to join the two pretrained parts.

The parts stay as they are. ``lessons`` draws the scenes of the training with their questions, ``encoding``
keeps what the image encoder makes of them on disk, ``adapter`` is what learns, ``train`` teaches it and
``export`` writes the file that ``otanalysis assemble --adapter`` takes; :mod:`otanalysis.scenes.training` has
what other worlds' recipes share. May import what :mod:`otanalysis.stamps` may, and torch and transformers.
"""

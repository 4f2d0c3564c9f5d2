"""Training a GPT-ASR: corpora in, a checkpoint out. Needs the ``train`` extra.

Nothing of the subtitler imports it.

``options`` are what a recipe can set.
``preparation`` checks the clips of corpora and writes a ``store`` of those that are fit.
``noise`` reads or makes noises, ``augmentation`` changes the audio of clips.
``encoders`` loads an open speech encoder, ``old_encoder`` is the one that it replaces.
``frames`` keeps what the frozen encoder gives for each clip.
``sampling`` chooses clips, ``batches`` puts them together.
``trainer`` makes the steps, ``evaluation`` scores dev sets, ``metrics_log`` writes both down.
``graft`` is a whole run; ``export`` makes a checkpoint of one, ``ctc_offsets`` times its CTC head.
"""

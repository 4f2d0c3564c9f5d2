"""GPT-ASR, from samples to words with times; nothing here knows of subtitles.

``config`` describes a checkpoint: its front end and the shape of its network.
``log_mel`` turns samples into the frames that the encoder reads.
``encoder`` has the open speech encoders of generation 3, ``adapter`` what joins one to the GPT.
``gpt2`` is the language model; ``kernels`` and ``packing`` have its products as they are
fastest without training.
``network`` puts encoder, CTC head and GPT together.
``tokenizer`` turns text into the GPT's tokens and back, ``ctc`` into the CTC head's characters.
``decoding`` reads the text of a batch of clips.
``alignment`` finds when each word of a text is spoken.
``files`` says where checkpoints lie, ``checkpoint`` loads and saves them.
``published`` reads the state dicts of the model's author, ``catalogue`` lists and fetches them.
"""

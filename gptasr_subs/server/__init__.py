"""The subtitle service of a house: what Bazarr, clients of OpenAI's API and the queue's own clients
ask for over HTTP, and Home Assistant over Wyoming. In reading order::

settings     its settings, and what it refuses to start with
app          the addresses, and the life of what they share
access       who may come in
patience     slow clients, and requests that are refused
uploads      a form's audio, straight into a file
bodies       JSON that clients send
containers   which uploads are media of their own
recognition  one work for all who ask for the same
link         the connection to the recognition process
messages     what is sent over it
worker       the recognition process
waiting      answers that take long
answers      refusals and events
keywords     words to expect, as clients name them
segments     cues and words as JSON
services     what the addresses share
bazarr       /asr, /detect-language, /status
openai       /v1/audio/transcriptions, /v1/models
queueing     the queue as the server asks it
jobs         /jobs
page         the page and its addresses
metrics      /metrics
wyoming      Home Assistant
sockets      what is listened on
running      uvicorn, from start to graceful stop

Nothing here imports torch but ``worker``, which has a process of its own, nor numpy before the page
is used.
"""

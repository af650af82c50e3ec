"""How events of the page are called."""

# Past the queue, where it would wait behind answers; unseen; not for programs.
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

# Through the queue, as what may end in a toast must: outside of it Gradio 6.31 writes the toast's
# sentence into the server's log instead of showing it. Each handler has a queue of its own.
SPOKEN = QUIET | {"queue": True}

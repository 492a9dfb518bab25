"""How `make playground` serves: kernels that nobody uses any more end, and uploads have a limit.

`voila nbs/playground.ipynb --config tools/voila_config.py`; a value here gives way to one on the
command line, such as `--MappingKernelManager.cull_idle_timeout=60`.
"""

c = get_config()  # noqa: F821, given by traitlets  # pyright: ignore[reportUndefinedVariable]

# Each reader has a kernel of 400 MB or so. It ends that many seconds after the last thing it was
# asked to do, whether the page was closed or forgotten; a page that is used again says so and is
# loaded anew. What is at work, a training for example, is not ended.
c.MappingKernelManager.cull_idle_timeout = 20 * 60
c.MappingKernelManager.cull_interval = 30
c.MappingKernelManager.cull_connected = True
c.MappingKernelManager.cull_busy = False

# An upload travels as one message; above this the page loses its connection. The panel itself
# refuses images of more than 20 MB with a sentence, which needs room to arrive.
c.Voila.tornado_settings = {"websocket_max_message_size": 64 * 2**20}

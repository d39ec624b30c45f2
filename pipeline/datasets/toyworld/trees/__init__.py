"""One file a dataset: pictures as a small tree in its official layout, for the very reader of the real one."""

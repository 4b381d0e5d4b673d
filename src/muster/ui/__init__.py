"""The web page: its files, and the block of settings that it is given. Who serves them is `muster.http.ui`."""

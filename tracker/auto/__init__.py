"""The preset "auto": a probabilistic model of how cells move, divide, come and go, measured on the movie itself."""

"""The network, a file per stage of the paper."""

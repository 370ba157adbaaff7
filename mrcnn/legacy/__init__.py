"""The original's functions and classes under their own names and argument orders, on top of this library's parts."""

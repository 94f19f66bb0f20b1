"""Stand-ins for the world outside the program: providers on real sockets, pictures, processes."""

"""Network, disk, cores: what the machine is asked for, one place each."""

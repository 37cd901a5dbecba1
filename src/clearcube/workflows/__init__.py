"""One file for each command: what it joins, nothing else."""

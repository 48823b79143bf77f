# Runs a command and passes if it exits with the status asked for: status.py 2 nnc --bogus
import subprocess
import sys

wanted = int(sys.argv[1])
found = subprocess.run(sys.argv[2:]).returncode
if found != wanted:
    sys.exit(f"status.py: exit status {found}, expected {wanted}: {' '.join(sys.argv[2:])}")

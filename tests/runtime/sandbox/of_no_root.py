"""A zygote that somebody started who is not root: it becomes that somebody before it does anything else."""

import os

from runtime.sandbox import child, zygote

if __name__ == "__main__":
    child.warm()  # the interpreter may lie where only root can read
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(1234)
        os.setuid(1234)
    zygote.main(lambda: child.serve)

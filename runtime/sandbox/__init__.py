"""The sandbox: Python with `$`, run by single-use worker processes that can do nothing but ask their parent.

The parent's side is `pool` (and `nursery`, `worker`, `turns`); the worker's side is `zygote`, `child` and all that they
import. The parent imports nothing of the worker's side: a server stays light, and trusts no language guard by mistake.
"""

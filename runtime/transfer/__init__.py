"""In and out: rows from files into a tenant, a tenant into files, and copies of the tenant's own file.

What runs here runs in the process of whoever asks: it reads and writes files, and speaks to the owner of the data
folder through the calls of `runtime.calls.transfer`, a thousand rows at a time.
"""

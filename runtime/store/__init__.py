"""The store: one DuckDB instance for a data folder, one file a tenant, few methods that another database could offer too."""

from runtime.store.instance import Instance
from runtime.store.keys import Key, KeyFilter, key_of, key_text
from runtime.store.tenant_file import STATEMENTS_MAX, Batch, EventRow, TenantFile

__all__ = ["STATEMENTS_MAX", "Batch", "EventRow", "Instance", "Key", "KeyFilter", "TenantFile", "key_of", "key_text"]

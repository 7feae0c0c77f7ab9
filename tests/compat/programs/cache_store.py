"""A cache store."""

from autogen_core import CacheStore, InMemoryStore

store = InMemoryStore()
store.set("a", [1])
print(store.get("a"), store.get("b"), store.get("b", "else"), store.store, isinstance(store, CacheStore))
data = store.dump_component()
print(data.provider, data.component_type, data.version, data.config)
print(CacheStore.load_component(data).store)
try:
    CacheStore()
except TypeError:
    print("TypeError")

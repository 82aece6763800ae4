"""What a durable step of a peer does: one order at the shop. Imported by the peers' jobs, in their environments."""

import http.client


class Shop:
    """Asks the shop at a port of this machine, over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def order(self, key: str) -> int:
        """Order once under a key; the number of the order."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        self._connection.request("POST", "/orders", b'{"sku": "engine"}', headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"the shop answered {answer.status}")
        return len(content)

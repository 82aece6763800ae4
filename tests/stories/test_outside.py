"""What an agent sends to others: allowed by the operator, told in the log, and not sent by a plan."""

from pathlib import Path

from tests.conftest import Shell
from tests.runtime.outside.service import Service
from tests.stories.conftest import Door


class Operator(Shell):
    """Runs `verbena` with the hosts that agents may ask."""

    def __init__(self, data: Path, hosts: str) -> None:
        super().__init__(data)
        self.hosts = hosts

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "VERBENA_HTTP_HOSTS": self.hosts}


def test_an_agent_orders_at_a_shop_and_the_log_tells_of_it(data: Path, shop: Service) -> None:
    operator = Operator(data, f"{shop.address}=Idempotency-Key")
    agent = Door(operator)
    code = f"""
deal = $.Deal.create(name="Engine", value=1815)
order = $.http.post("{shop.address}/orders", headers={{"Authorization": "Bearer secret"}}, json={{"sku": deal.name}})
deal.update(description=order.json.key)
"""
    planned = agent("do", code=code.replace("order.json.key", "'later'"), dryRun=True)
    assert [each["path"] for each in planned["plan"]["outside"]] == ["/orders"]
    assert agent("do", expect=planned["plan"]["hash"])["error"]["code"] == "invalid_arguments"
    assert shop.heard == []

    done = agent("do", code=code)
    assert [each["event"] for each in done["events"]] == [
        *("Deal.created", "Deal.updated", "Effect.intended", "Effect.answered")
    ]
    assert [each.headers["authorization"] for each in shop.heard] == ["Bearer secret"]
    told = operator("log", "--json").stdout
    assert ("Effect.answered" in told, "secret" in told) == (True, False)
    assert operator("log", "verify").returncode == 0

    refused = agent("do", code="$.http.get('https://169.254.169.254/latest/meta-data')")["error"]
    assert (refused["code"], "VERBENA_HTTP_HOSTS" in refused["hint"]) == ("permission_denied", True)
    agent.close()


def test_where_the_operator_allows_nothing_an_agent_is_told_so(data: Path) -> None:
    agent = Door(Operator(data, ""))
    refused = agent("do", code="$.http.get('https://example.com')")["error"]
    assert (refused["code"], "allows no host" in refused["message"]) == ("invalid_type", True)
    agent.close()


def test_a_mistake_in_the_list_is_told_before_anything_starts(data: Path) -> None:
    refused = Operator(data, "http://*")("doctor")
    assert refused.returncode != 0
    assert "VERBENA_HTTP_HOSTS" in refused.stdout + refused.stderr

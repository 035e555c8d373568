"""The broker is restarted: queries go on from local state, processing goes on by itself."""

from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE, Platform
from clickstream_e2e.storefront import Storefront


def test_a_restarted_broker_loses_nothing_and_no_query(storefront: Storefront, platform: Platform) -> None:
    with storefront.traffic(rate=100) as account:
        eventually("the traffic flows", lambda: storefront.metrics("user-0002")[0]["status"] == 200)
        storefront.kube("delete", "pod", "events-kafka-0", "--namespace", NAMESPACE)
        platform.wait_for_kafka()
        storefront.until("Ready", "True", 600)
        sent = storefront.search("*")
        eventually("clicks reach the index again", lambda: storefront.search("*") > sent, 300)
    storefront.check()
    assert set(account["answers"]) <= {"200", "404"}, account

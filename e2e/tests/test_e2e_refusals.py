"""What is wrong is refused at once, with the reason."""

import pytest
from clickstream_e2e.kube import Failed, Kube
from clickstream_e2e.storefront import Storefront, document, merged


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"processors": {"replicas": 7}}, "processors.replicas must be at most topics.partitions"),
        ({"sink": {"search": {"url": "ftp://search:9200"}}}, "spec.sink.search.url"),
        ({"sink": {"search": {"index": "${env:HOME}"}}}, "spec.sink.search.index"),
        ({"colour": "red"}, "field not declared in schema"),
    ],
    ids=["more pods than partitions", "a scheme that is none", "a reference", "an unknown field"],
)
def test_an_invalid_spec_is_refused_by_the_api_server(
    storefront: Storefront, kube: Kube, changes: dict[str, object], message: str
) -> None:
    other = merged(document(**changes), {"metadata": {"name": "other"}})
    with pytest.raises(Failed, match=message):
        kube.apply([other])
    assert "other" not in kube.names("clickpipelines", other["metadata"]["namespace"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [({"topics": {"partitions": 12}}, "immutable"), ({"id": "shop.other"}, "immutable")],
    ids=["partitions", "id"],
)
def test_what_must_not_change_is_refused(
    storefront: Storefront, spec: dict[str, object], message: str
) -> None:
    with pytest.raises(Failed, match=message):
        storefront.patch(spec)

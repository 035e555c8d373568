"""The chart's release: installed, upgraded, rolled back and removed with helm."""

from collections.abc import Mapping

from clickstream_e2e.images import SOURCE
from clickstream_e2e.kube import Kube

NAMESPACE, NAME = "clickstream", "clickstream"
CHART = SOURCE / "charts" / "clickstream"


class Release:
    """One release of the chart, with the images built here."""

    def __init__(self, kube: Kube, images: Mapping[str, str]) -> None:
        self._kube = kube
        self._images = images

    def install(self, **values: str) -> None:
        """Install or upgrade, and wait until the operator is ready."""
        wanted = {
            **{
                name: value
                for role in ("operator", "processor", "collector")
                for name, value in self.image(role, self._images[role]).items()
            },
            "operator.resyncSeconds": "15",
            **values,
        }
        sets = [word for name, value in wanted.items() for word in ("--set", f"{name}={value}")]
        where = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "4m"]
        self._kube.helm("upgrade", "--install", NAME, str(CHART), *where, *sets)

    def rollback(self) -> None:
        """Go back to the revision before."""
        self._kube.helm("rollback", NAME, "--namespace", NAMESPACE, "--wait", "--timeout", "4m")

    def test(self) -> str:
        """Run the chart's own test; return what it said."""
        return self._kube.helm("test", NAME, "--namespace", NAMESPACE)

    def uninstall(self) -> None:
        """Remove the release."""
        self._kube.helm("uninstall", NAME, "--namespace", NAMESPACE, "--wait")

    @staticmethod
    def image(role: str, reference: str) -> dict[str, str]:
        """Return the chart's values for an image."""
        repository, _, tag = reference.partition(":")
        return {f"{role}.image.repository": repository, f"{role}.image.tag": tag}

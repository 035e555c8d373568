"""OpenSearch's installation folder, put together from the jars in Maven Central.

The distribution is not there, its parts are: the server, the agent that replaces Java's
security manager, and one plugin for each module. One Maven run fetches all.
"""

import re
import shutil
from pathlib import Path

from clickstream_local.machine import maven
from clickstream_local.machine.maven import COPY, Say, fill, silent

VERSION = "3.8.0"
LOG4J = "2.25.4"
PLUGIN = COPY.split(":")

# module: (artifact, class)
MODULES = {
    "transport-netty4": ("transport-netty4-client", "org.opensearch.transport.Netty4ModulePlugin"),
    "lang-painless": ("lang-painless", "org.opensearch.painless.PainlessModulePlugin"),
    "analysis-common": ("analysis-common", "org.opensearch.analysis.common.CommonAnalysisModulePlugin"),
    "ingest-common": ("ingest-common", "org.opensearch.ingest.common.IngestCommonModulePlugin"),
    "lang-expression": ("lang-expression", "org.opensearch.script.expression.ExpressionModulePlugin"),
    "mapper-extras": ("mapper-extras-client", "org.opensearch.index.mapper.MapperExtrasModulePlugin"),
    "reindex": ("reindex-client", "org.opensearch.index.reindex.ReindexModulePlugin"),
}

# The policy files are in the distribution, not in the jars: what modules with connections need.
POLICY = """grant {
  permission java.net.SocketPermission "*", "accept,connect,listen,resolve";
  permission java.net.NetPermission "accessUnixDomainSocket";
};
"""


def opensearch_home(say: Say = silent) -> Path:
    """Return the folder with lib/, agent/ and modules/, complete and never written to again."""
    projects = _projects()
    return fill(
        f"opensearch-{VERSION}",
        "".join(projects.values()) + POLICY,
        lambda folder: _build(folder, projects, say),
    )


def _build(folder: Path, projects: dict[str, str], say: Say) -> None:
    work = folder / "pom"
    for name, text in projects.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    maven.maven(["-f", str(work / "pom.xml"), "package"], f"OpenSearch {VERSION}", say)
    shutil.move(work / "server" / "jars", folder / "lib")
    shutil.move(work / "agent" / "jars", folder / "agent")
    in_the_server = {_artifact(jar) for jar in (folder / "lib").glob("*.jar")}
    for module, (_, main) in MODULES.items():
        target = folder / "modules" / module
        target.mkdir(parents=True)
        for jar in (work / module / "jars").glob("*.jar"):
            if _artifact(jar) not in in_the_server and not _foreign(jar):
                shutil.move(jar, target / jar.name)
        (target / "plugin-descriptor.properties").write_text(_descriptor(module, main))
        if module in ("transport-netty4", "reindex"):
            (target / "plugin-security.policy").write_text(POLICY)
    for name in ("bin", "extensions", "plugins"):  # the server looks for them, empty as they are
        (folder / name).mkdir()
    shutil.rmtree(work)


def _artifact(jar: Path) -> str:
    """Return the jar's name without its version, but with a classifier."""
    return re.sub(r"-\d+(\.\w+)*(?=-|$)", "", jar.stem, count=1)


def _foreign(jar: Path) -> bool:
    return bool(re.search(r"native-quic.*(osx|windows)|aarch_64", jar.name))


def _descriptor(module: str, main: str) -> str:
    extended = "lang-painless" if module == "analysis-common" else ""
    return f"""description={module}
version={VERSION}
name={module}
classname={main}
java.version=21
opensearch.version={VERSION}
extended.plugins={extended}
has.native.controller=false
"""


def _projects() -> dict[str, str]:
    """Return the poms by path: a parent that copies dependencies, and one project for each set of jars."""
    sets = {
        "server": [
            ("org.opensearch", "opensearch", VERSION),
            ("org.opensearch", "opensearch-plugin-classloader", VERSION),
            ("org.apache.logging.log4j", "log4j-core", LOG4J),
            ("org.apache.logging.log4j", "log4j-api", LOG4J),
        ],
        "agent": [("org.opensearch", "opensearch-agent", VERSION)],
        **{
            module: [("org.opensearch.plugin", artifact, VERSION)]
            for module, (artifact, _) in MODULES.items()
        },
    }
    poms = {f"{name}/pom.xml": _project(name, jars) for name, jars in sets.items()}
    modules = "".join(f"<module>{name}</module>" for name in sets)
    return {"pom.xml": _PARENT.format(modules=modules, version=PLUGIN[2]), **poms}


def _project(name: str, jars: list[tuple[str, str, str]]) -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for group, artifact, version in jars
    )
    return _PROJECT.format(name=name, dependencies=dependencies)


_PROJECT = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<parent><groupId>dev.clickstream.local</groupId><artifactId>opensearch</artifactId><version>1</version></parent>
<artifactId>{name}</artifactId><packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"""

_PARENT = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>dev.clickstream.local</groupId><artifactId>opensearch</artifactId><version>1</version>
<packaging>pom</packaging><modules>{modules}</modules><build><plugins><plugin>
<groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId><version>{version}</version>
<executions><execution><phase>package</phase><goals><goal>copy-dependencies</goal></goals><configuration>
<includeScope>runtime</includeScope><outputDirectory>${{project.basedir}}/jars</outputDirectory>
</configuration></execution></executions></plugin></plugins></build></project>"""

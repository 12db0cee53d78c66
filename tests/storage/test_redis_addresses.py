"""Where several servers are: read from a URL, or from what a node of a cluster tells."""

import pytest

from verifier.storage.redis_cluster import ClusterLink
from verifier.storage.redis_cluster_map import Master, View
from verifier.storage.redis_links import link_to
from verifier.storage.redis_sentinel import SentinelLink
from verifier.storage.redis_url import Several

# From a URL.

URLS: list[tuple[str, str, tuple[tuple[str, int], ...], str]] = [
    ("redis+sentinel://a:1,b:2/cache/3", "cache", (("a", 1), ("b", 2)), "redis://a:1/3"),
    ("redis+sentinel://a,b/cache", "cache", (("a", 26379), ("b", 26379)), "redis://a:26379/0"),
    (
        "rediss+sentinel://:p%40w@[::1]:5,[fe80::1]/cache/0?ssl_cert_reqs=none&sentinel_password=s%26t",
        "cache",
        (("::1", 5), ("fe80::1", 26379)),
        "rediss://:p%40w@[::1]:5/0?ssl_cert_reqs=none",
    ),
    ("redis+cluster://u:p@a:1,b", "", (("a", 1), ("b", 6379)), "redis://u:p@a:1/0"),
]


@pytest.mark.parametrize(("url", "service", "hosts", "first"), URLS)
def test_an_address_names_several_servers(
    url: str, service: str, hosts: tuple[tuple[str, int], ...], first: str
):
    read = Several.read(url)
    assert read is not None
    assert (read.service, read.hosts, read.at(hosts[0])) == (service, hosts, first)
    assert read.of_sentinels == ({"password": "s&t"} if "sentinel_password" in url else {})
    assert type(link_to(url)) is (SentinelLink if service else ClusterLink)


@pytest.mark.parametrize(
    "url",
    ["redis+sentinel://a:1", "redis+sentinel://a:b/cache", "redis+cluster://a/cache", "redis+other://a"],
)
def test_an_address_that_names_none_is_refused(url: str):
    with pytest.raises(ValueError, match="not the address"):
        Several.read(url)


# From a node.

LINES = """
aa 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460 [93-<-cc]
bb 10.0.0.2:7002@17002,cache-2.example master - 0 1 2 connected 5461-9999 10001-10922
cc :0@0 master,fail,noaddr - 0 1 9 disconnected
dd 10.0.0.4:7004@17004 slave aa 0 1 1 connected
ee 10.0.0.5:7005@17005 master,fail? - 0 1 3 connected 10000 10923-16383
"""


def test_what_a_node_sees_is_read():
    view = View.read(LINES.strip(), ("asked", 1))
    assert view.masters == (
        Master("aa", 1, ((0, 5460),), ("10.0.0.1", 7001)),
        Master("bb", 2, ((5461, 9999), (10001, 10922)), ("cache-2.example", 7002)),
        Master("ee", 3, ((10000, 10000), (10923, 16383)), ("10.0.0.5", 7005)),
    )
    assert [master.address[0] for master in view.masters] == ["10.0.0.1", "cache-2.example", "10.0.0.5"]
    assert (view.moving, view.whole) == (True, True)


@pytest.mark.parametrize(
    ("before", "after"), [("0-5460", "0-5459"), ("10923-16383", "10923-16382"), ("5461-9999", "5460-9999")]
)
def test_slots_without_a_master_or_with_two_make_no_whole_cluster(before: str, after: str):
    assert not View.read(LINES.strip().replace(before, after), ("asked", 1)).whole


def test_a_node_that_does_not_know_its_address_is_where_it_was_found():
    view = View.read("aa :7001@17001 myself,master - 0 0 0 connected 0-16383", ("cache-1", 7001))
    assert [master.address for master in view.masters] == [("cache-1", 7001)]
    assert (view.moving, view.whole) == (False, True)

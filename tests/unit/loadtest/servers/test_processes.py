from loadtest.servers.processes import free_ports


def test_free_ports_differ() -> None:
    assert len(set(free_ports(8))) == 8

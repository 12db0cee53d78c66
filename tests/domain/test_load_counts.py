from verifier.domain.load import LoadResult


def test_nothing_loaded_counts_nothing():
    assert LoadResult() == LoadResult(0, 0, 0, 0)


def test_the_counts_of_two_parts_are_added_each_to_its_own():
    assert LoadResult(10, 7, 2, 1) + LoadResult(200, 100, 60, 40) == LoadResult(210, 107, 62, 41)

from itertools import pairwise

from tests.bench.overlap import overlapped


def test_the_pipe_stays_full_while_runs_take_turns_and_they_end_one_after_another() -> None:
    # With equal shares both of a pair would end at once, and while the next two start, for three
    # seconds, nothing would be sent: less than 85 % of the cap.
    verdict, ends = overlapped(urls=300, start_seconds=3.0)

    assert verdict.most <= verdict.allowed, verdict
    assert verdict.uses(47.5), verdict
    assert verdict.arrivals - verdict.refused == 4 * 300
    assert min(after - before for before, after in pairwise(ends)) >= 3.0, ends

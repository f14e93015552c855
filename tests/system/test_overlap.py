from itertools import pairwise

from tests.bench.overlap import overlapped


def test_the_pipe_stays_full_while_runs_take_turns_and_they_end_one_after_another() -> None:
    # A run has 8 s to send; within that its successor starts (3 s with Python's own) and the last
    # answers of its elder come (2 to 4 s). With equal shares both of a pair would end at once, and
    # nothing would be sent while the next two start: less than 87 % of the cap.
    verdict, ends = overlapped(urls=400, start_seconds=2.0)

    assert verdict.most <= verdict.allowed, verdict
    assert verdict.uses(48), verdict
    assert verdict.arrivals - verdict.refused == 4 * 400
    assert min(after - before for before, after in pairwise(ends)) >= 3.0, ends
